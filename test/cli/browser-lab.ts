import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';
import { createKeyAndRequest } from '../../certs/request.ts';
import { findFreePort } from '../../src/control/free-port.ts';
import type { Identity } from '../control/control-lab.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { startApplication } from '../lab/app-server.ts';
import { startIdentityProvider } from '../lab/identity-provider.ts';
import type { ProviderLab } from '../lab/identity-provider.ts';

const postern = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
export const appHost = 'grants.apps.example.org';

/** A whole server with one application, for browsers that have a device certificate and no agent. */
export interface BrowserLab {
  readonly made: Installation;
  readonly provider: ProviderLab;
  readonly control: number;
  readonly gateway: number;
  /** What the application got, newest last. */
  readonly received: { url: string | undefined; headers: IncomingMessage['headers'] }[];
  /** A laptop of alice's without an agent on it. */
  enroll(): Promise<Identity>;
  /** Of the application. */
  address(path: string): string;
  close(): Promise<void>;
}

export async function startBrowserLab(): Promise<BrowserLab> {
  const received: BrowserLab['received'] = [];
  const application = await startApplication('grants', (incoming, response) => {
    received.push({ url: incoming.url, headers: incoming.headers });
    response.setHeader('set-cookie', [
      'theirs=1; Path=/',
      '__Host-postern=of-the-application; Path=/; Secure',
    ]);
    response.end(`grants for ${String(incoming.headers['postern-user'])}`);
  });
  const provider = await startIdentityProvider();
  const made = await makeInstallation();
  const control = await findFreePort('127.0.0.1');
  provider.reconfigure({
    redirectUris: [`https://control.example.org:${control}/v1/sign-in/callback`],
    backchannelLogoutUri: `https://127.0.0.1:${control}/v1/sign-in/backchannel-logout`,
    trustPem: made.rootPem,
  });
  await writeFile(join(made.data, 'keys/sign-in-client.secret'), provider.clientSecret, { mode: 0o600 });
  await writeFile(join(made.data, 'provider-ca.pem'), provider.authorityPem);
  const document = parseDocument(await readFile(made.configFile, 'utf8'));
  document.setIn(['gateway', 'addresses'], ['127.0.0.1:0']);
  document.setIn(['control', 'port'], control);
  document.setIn(['control', 'names'], ['127.0.0.1', 'control.example.org']);
  document.setIn(
    ['signIn'],
    provider.settings({
      authorities: 'provider-ca.pem',
      browserUrl: `https://control.example.org:${control}`,
    }),
  );
  await writeFile(made.configFile, String(document));
  const server = spawn(process.execPath, [postern, 'serve', '--config', made.configFile, '--workers', '1'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  server.stderr?.resume();
  if (server.stdout === null) throw new TypeError('no output');
  const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string];
  const gateway = Number(/gateway=\S+?:(\d+)/.exec(line)?.[1]);
  const applied = await made.api(control, 'POST', '/v1/apply', {
    resources: [
      { kind: 'Network', name: 'finance', attach: { direct: true } },
      {
        kind: 'App',
        name: 'grants',
        network: 'finance',
        host: appHost,
        protocol: 'http',
        upstreams: [application.url],
      },
      { kind: 'Group', name: 'finance', members: { claim: 'groups', value: 'finance' } },
      {
        kind: 'Policy',
        name: 'finance-grants',
        cedar:
          'permit (principal in Group::"finance", action == Action::"access", resource == App::"grants") when { !(context.request.path like "/secret*") || context.signIn.mfa };',
      },
    ],
  });
  if (applied.status !== 200) throw new Error(JSON.stringify(applied.body));
  return {
    made,
    provider,
    control,
    gateway,
    received,
    address: (path) => `https://${appHost}:${gateway}${path}`,
    async enroll() {
      const { body } = await made.api(control, 'POST', '/v1/enrollment-tokens', {
        user: 'alice@example.org',
      });
      const { privateKeyPem, csrPem } = await createKeyAndRequest();
      const enrolled = await made.api(control, 'POST', '/v1/enroll', { token: body.token, csr: csrPem });
      const device = String(enrolled.body.device);
      // No agent that would report a posture: a person says that it may be used.
      const change = { state: 'active', reason: 'no agent on it' };
      await made.api(control, 'POST', `/v1/devices/${device}/state`, change);
      return { chainPem: String(enrolled.body.certificate), keyPem: privateKeyPem };
    },
    async close() {
      const exited = once(server, 'exit');
      server.kill('SIGTERM');
      await exited;
      application.close();
      await provider.close();
      await made.remove();
    },
  };
}
