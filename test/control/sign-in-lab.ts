import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SignInSettings } from '../../src/contract/settings.ts';
import type { ControlParts } from '../../src/control/api/control-parts.ts';
import { createMemoryFleeting } from '../../src/control/fleeting/memory-fleeting.ts';
import { openSignIn } from '../../src/control/sign-in/open-sign-in.ts';
import { startIdentityProvider } from '../lab/identity-provider.ts';
import type { ProviderLab } from '../lab/identity-provider.ts';
import { createWebBrowser } from '../lab/web-browser.ts';
import type { WebBrowser } from '../lab/web-browser.ts';
import { startControlLab } from './control-lab.ts';
import type { Answer, ControlLab, Identity } from './control-lab.ts';

export const redirectUri = 'http://127.0.0.1:18230/sign-in';

/** A control plane whose users sign in with a real provider. */
export interface SignInLab {
  readonly control: ControlLab;
  readonly provider: ProviderLab;
  /** Whether the control plane takes its ledger for lost when browsers ask. */
  isLedgerAway: boolean;
  /** A browser without any cookie yet. */
  browser(): WebBrowser;
  begin(client: Identity, body?: Record<string, unknown>): Promise<Answer>;
  complete(client: Identity, transaction: unknown, parameters?: string): Promise<Answer>;
  token(client: Identity, signIn?: unknown): Promise<Answer>;
  /** Goes where the browser is sent until the provider sends it back to the laptop. @returns the query it came with. */
  visit(authorizationUrl: string, browser?: WebBrowser): Promise<string>;
  /** The whole dance. @returns the answer to its end. */
  signIn(client: Identity, browser?: WebBrowser): Promise<Answer>;
  close(): Promise<void>;
}

export async function startSignInLab(
  overrides: Partial<SignInSettings> = {},
  { approvals = 1 }: { readonly approvals?: ControlParts['approvals'] } = {},
): Promise<SignInLab> {
  const provider = await startIdentityProvider();
  const data = await mkdtemp(join(tmpdir(), 'postern-sign-in-'));
  const secret = join(data, 'client.secret');
  const authorities = join(data, 'provider-ca.pem');
  await writeFile(secret, `${provider.clientSecret}\n`, { mode: 0o600 });
  await writeFile(authorities, provider.authorityPem);
  const settings = provider.settings({ clientSecretFile: secret, authorities, ...overrides });
  const closing: (() => Promise<void>)[] = [];
  const control = await startControlLab({
    approvals,
    signIn: ({ organization, store, clock }): Promise<ControlParts['signIn']> =>
      openSignIn({
        settings,
        data,
        deviceAuthorityKeyPem: organization.authorities.device.privateKeyPem,
        state: () => store.state,
        fleeting: { of: (_kind, bounds) => createMemoryFleeting(clock, bounds) },
        gatewayPorts: () => new Set(['8443']),
        sessionKey: () => control.parts.sessionKey(),
        isLedgerAway: () => lab.isLedgerAway,
        clock,
        onClose: (step) => closing.push(step),
      }),
  });
  const ask = (client: Identity, path: string, body: unknown): Promise<Answer> =>
    control.ask('POST', path, { key: null, client, body });
  const lab: SignInLab = {
    control,
    provider,
    isLedgerAway: false,
    browser: () => createWebBrowser({ trust: [provider.authorityPem] }),
    begin: (client, body = { flow: 'code', redirectUri }) => ask(client, '/v1/device/sign-in', body),
    complete: (client, transaction, parameters) =>
      ask(client, '/v1/device/sign-in/complete', {
        transaction,
        ...(parameters === undefined ? {} : { parameters }),
      }),
    token: (client, signIn) => ask(client, '/v1/device/token', signIn === undefined ? {} : { signIn }),
    async visit(authorizationUrl, browser = lab.browser()) {
      const { url } = await browser.open(authorizationUrl, ({ origin }) => redirectUri.startsWith(origin));
      return url.search;
    },
    async signIn(client, browser) {
      const { body } = await lab.begin(client);
      return lab.complete(client, body.transaction, await lab.visit(String(body.authorizationUrl), browser));
    },
    async close() {
      await control.close();
      for (const step of closing) await step();
      await provider.close();
      await rm(data, { recursive: true, force: true });
    },
  };
  return lab;
}
