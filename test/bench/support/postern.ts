import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, parseDocument } from 'yaml';
import { createKeyAndRequest } from '../../../certs/request.ts';
import type { EnrollResponse, TokenResponse } from '../../../src/contract/control-api.ts';
import { descendants, pin, run, start } from './processes.ts';
import { appHost, cores, posture, user } from './target.ts';
import type { ClientIdentity, Target } from './target.ts';

const posternScript = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
const postern = [process.execPath, posternScript];

export interface PosternOptions {
  /** By path, with dots between. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /** Lines of the application's resource. */
  readonly app?: string;
}

/**
 * Postern as an operator starts it: `init`, `serve` with one worker, `apply`, a laptop enrolled over the API. `server` is
 * what to run in the place of `postern`.
 */
export async function startPostern(
  directory: string,
  upstreamPort: number,
  server: readonly string[] = postern,
  more: PosternOptions = {},
): Promise<Target> {
  const data = join(directory, 'data');
  const env: NodeJS.ProcessEnv = { ...process.env, POSTERN_CONTEXT: join(directory, 'context.yaml') };
  await run([...postern, 'init', '--data', data, '--domain', 'example.org'], env);
  const config = join(data, 'postern.yaml');
  const settings = parseDocument(await readFile(config, 'utf8'));
  for (const part of ['gateway', 'control', 'operator']) {
    settings.setIn([part, 'port'], 0);
    settings.setIn([part, 'listen'], '127.0.0.1');
  }
  settings.setIn(['gateway', 'addresses'], ['127.0.0.1:0']);
  settings.setIn(['limits', 'maxConnectionsPerAddress'], 20_000);
  settings.setIn(['log', 'level'], 'warn');
  for (const [path, value] of Object.entries(more.settings ?? {})) settings.setIn(path.split('.'), value);
  await writeFile(config, String(settings));

  // The core of the measured is for the worker alone; what runs beside it lives with the load.
  const serving = await start(cores.load, [...server, 'serve', '--config', config, '--workers', '1'], {
    ready: /^ready.*$/m,
    env,
  });
  const portOf = (what: string): number =>
    Number(new RegExp(`${what}[ =]\\S*?:(\\d+)`).exec(serving.output)?.[1]);
  const controlPort = portOf('control');
  env['POSTERN_SERVER'] = `https://localhost:${controlPort}`;
  const resources = join(directory, 'resources.yaml');
  await writeFile(resources, resourcesFor(upstreamPort, more.app));
  await run([...postern, 'apply', '-f', resources], env);
  const client = await enrollLaptop(controlPort, join(directory, 'context.yaml'), env);
  const workers = descendants(serving.pid, 'worker.ts');
  if (workers.length !== 1) throw new Error(`expected one worker, found ${workers.length}`);
  pin(workers, cores.measured);
  return {
    name: 'Postern, everything on',
    key: 'postern',
    port: portOf('gateway'),
    client,
    pids: workers,
    stop: serving.stop,
  };
}

const resourcesFor = (upstreamPort: number, app = ''): string => `kind: Network
name: bench
attach: { direct: true }
---
kind: App
name: bench
network: bench
host: ${appHost}
protocol: http
upstreams: [http://127.0.0.1:${upstreamPort}]
${app}
---
kind: Group
name: bench
members: [${user}]
---
kind: Policy
name: bench
cedar: |
  permit (principal in Group::"bench", action == Action::"access", resource == App::"bench")
  when { context.posture.diskEncrypted && context.posture.ageSeconds < 600 };
`;

/** Enrolls over the API as an agent does, and asks for a token over mTLS. */
async function enrollLaptop(
  controlPort: number,
  context: string,
  env: NodeJS.ProcessEnv,
): Promise<ClientIdentity> {
  const created = await run([...postern, 'enroll-token', 'create', '--user', user, '-o', 'json'], env);
  const { token } = JSON.parse(created) as { token: string };
  const { ca } = parse(await readFile(context, 'utf8')) as { ca: string };
  const { privateKeyPem, csrPem } = await createKeyAndRequest();
  const enrolled = await post<EnrollResponse>(controlPort, '/v1/enroll', { token, csr: csrPem }, { ca });
  const identity = { cert: enrolled.certificate, key: privateKeyPem, ca };
  const report = { posture: { ...posture, ageSeconds: 0 } };
  const session = await post<TokenResponse>(controlPort, '/v1/device/token', report, identity);
  return {
    certificatePem: enrolled.certificate,
    keyPem: privateKeyPem,
    authorityPem: enrolled.authority,
    serverName: appHost,
    token: session.token,
  };
}

function post<T>(
  port: number,
  path: string,
  body: object,
  tls: { ca: string; cert?: string; key?: string },
): Promise<T> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: 'localhost',
        port,
        path,
        method: 'POST',
        agent: false,
        headers: { 'content-type': 'application/json' },
        ...tls,
      },
      (response) => {
        let text = '';
        response.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
        response.on('end', () => {
          if ((response.statusCode ?? 500) >= 300)
            reject(new Error(`${path} answered ${response.statusCode}: ${text}`));
          else resolve(JSON.parse(text) as T);
        });
      },
    );
    sent.on('error', reject);
    sent.end(JSON.stringify(body));
  });
}
