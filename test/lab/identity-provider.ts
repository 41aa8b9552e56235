import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { importJWK, SignJWT } from 'jose';
import { Provider } from 'oidc-provider';
import type { Configuration, InteractionResults, KoaContextWithOIDC } from 'oidc-provider';
import { Agent, fetch } from 'undici';
import type { SignInSettings } from '../../src/contract/settings.ts';
import { makeOrganization } from './pki.ts';
import type { WebBrowser } from './web-browser.ts';

export interface Account {
  readonly email?: string;
  readonly email_verified?: boolean;
  readonly groups?: unknown;
  readonly preferred_username?: string;
}

/** What the person in front of the browser does when the provider asks. */
export type Person =
  | { readonly account: string; readonly amr?: string[]; readonly acr?: string }
  | { readonly error: string };

/** An OpenID Connect provider of its own organization: the real `oidc-provider`, over real HTTPS on loopback. */
export interface ProviderLab {
  readonly issuer: string;
  /** The authority of its certificate, which no system trusts. */
  readonly authorityPem: string;
  readonly clientSecret: string;
  readonly accounts: Map<string, Account>;
  /** Who answers its questions from now on. */
  person: Person;
  /** Changes what the token endpoint answers. */
  tamper: ((body: Record<string, unknown>) => void | Promise<void>) | undefined;
  /** Whether its token endpoint was asked, and for which grant. */
  readonly grants: string[];
  settings(overrides?: Partial<SignInSettings>): SignInSettings;
  /** Signs what its keys would sign: for tokens that it would never issue. */
  sign(
    claims: Record<string, unknown>,
    header?: { alg?: string; typ?: string; kid?: string },
  ): Promise<string>;
  /** The same provider with other settings, and nothing remembered. */
  reconfigure(changes: ProviderLabOptions): void;
  /** Ends the session that a browser has at the provider, as a person does. */
  endSession(browser: WebBrowser): Promise<void>;
  close(): Promise<void>;
  /** Comes back at the same address, with the same keys and nothing remembered. */
  open(): Promise<void>;
}

export interface ProviderLabOptions {
  readonly redirectUris?: readonly string[];
  readonly backchannelLogoutUri?: string;
  /** What calls out of the provider trust. */
  readonly trustPem?: string;
  readonly withoutSid?: boolean;
}

const clientId = 'postern';

export async function startIdentityProvider(options: ProviderLabOptions = {}): Promise<ProviderLab> {
  const own = await makeOrganization({ domain: 'provider.example.net' });
  const certificate = await own.issueControl();
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const jwk = { ...privateKey.export({ format: 'jwk' }), kid: 'provider-1', alg: 'RS256', use: 'sig' };
  const clientSecret = 'not-a-secret-of-anyone';

  let callback: (request: IncomingMessage, response: ServerResponse) => void = () => undefined;
  let server = createServer({ key: certificate.keyPem, cert: certificate.bundlePem });
  const listen = async (port: number): Promise<void> => {
    server = createServer({ key: certificate.keyPem, cert: certificate.bundlePem }, (request, response) =>
      callback(request, response),
    );
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
  };
  await listen(0);
  const { port } = server.address() as AddressInfo;
  const issuer = `https://127.0.0.1:${port}`;
  const current: ProviderLabOptions = { ...options };

  const build = (): void => {
    const dispatcher = new Agent({ connect: { ca: current.trustPem } });
    const configuration: Configuration = {
      clients: [
        {
          client_id: clientId,
          client_secret: clientSecret,
          // What RFC 8252 calls an app on the user's machine: its redirect may be to any port of loopback.
          application_type: 'native',
          redirect_uris: [...(current.redirectUris ?? []), 'http://127.0.0.1/sign-in'],
          grant_types: ['authorization_code', 'urn:ietf:params:oauth:grant-type:device_code'],
          response_types: ['code'],
          require_auth_time: true,
          ...(current.backchannelLogoutUri === undefined
            ? {}
            : {
                backchannel_logout_uri: current.backchannelLogoutUri,
                backchannel_logout_session_required: current.withoutSid !== true,
              }),
        },
        {
          client_id: 'another',
          client_secret: 'of-another-client',
          redirect_uris: ['https://another.example.net/'],
          grant_types: ['authorization_code'],
        },
      ],
      jwks: { keys: [jwk] as never },
      cookies: { keys: ['lab'] },
      scopes: ['openid', 'email', 'profile', 'groups'],
      claims: {
        openid: ['sub', 'acr', 'amr'],
        email: ['email', 'email_verified'],
        profile: ['preferred_username'],
        groups: ['groups'],
        auth_time: null,
        sid: null,
        iss: null,
      },
      acrValues: ['urn:lab:mfa'],
      features: {
        devInteractions: { enabled: false },
        deviceFlow: { enabled: true },
        backchannelLogout: { enabled: true },
        rpInitiatedLogout: {
          enabled: true,
          logoutSource: (context, form) => {
            context.body = form;
          },
        },
      },
      findAccount: (_context, id) => ({
        accountId: id,
        claims: () => ({ sub: id, ...lab.accounts.get(id) }),
      }),
      interactions: { url: (_context, interaction) => `/interaction/${interaction.uid}` },
      loadExistingGrant: async (context) => {
        const grant = new provider.Grant({
          clientId: context.oidc.client?.clientId ?? '',
          accountId: context.oidc.session?.accountId ?? '',
        });
        grant.addOIDCScope('openid email profile groups');
        await grant.save();
        return grant;
      },
      fetch: (url, init) =>
        fetch(url, { ...(init as RequestInit), headers: [...new Headers(init?.headers)], dispatcher }),
    };
    const provider = new Provider(issuer, configuration);
    provider.on('server_error', (_context, error) => console.error('identity provider', error));
    provider.use(async (context: KoaContextWithOIDC, next) => {
      await next();
      if (context.path !== '/token') return;
      lab.grants.push(String(context.oidc?.params?.['grant_type']));
      if (context.status === 200) await lab.tamper?.(context.body as Record<string, unknown>);
    });
    const handle = provider.callback();
    callback = (request, response) => {
      if (request.url?.startsWith('/interaction/') !== true) return void handle(request, response);
      answerAs(provider, lab.person, request, response).catch((error: unknown) =>
        response.writeHead(500).end(String(error)),
      );
    };
  };

  const lab: ProviderLab = {
    issuer,
    authorityPem: own.rootPem,
    clientSecret,
    accounts: new Map([
      [
        'alice',
        {
          email: 'alice@example.org',
          email_verified: true,
          groups: ['finance', 'staff'],
          preferred_username: 'alice',
        },
      ],
      ['bob', { email: 'bob@example.org', email_verified: true, groups: ['staff'] }],
      ['mallory', { email: 'alice@example.org', email_verified: false }],
    ]),
    person: { account: 'alice', amr: ['pwd'] },
    tamper: undefined,
    grants: [],
    settings: (overrides = {}) => ({
      issuer,
      clientId,
      clientSecretFile: 'keys/sign-in-client.secret',
      idTokenAlgorithm: 'RS256',
      scopes: ['openid', 'email', 'profile', 'groups'],
      user: { claim: 'email', letters: 'lower-case' },
      users: 'enrolled',
      groupClaims: ['groups'],
      mfa: { acr: ['urn:lab:mfa'], amr: ['mfa'] },
      lifetimeSeconds: 43_200,
      timeoutMs: 5000,
      ...overrides,
    }),
    async sign(claims, header = {}) {
      const key = await importJWK(jwk, 'RS256');
      return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'provider-1', ...header }).sign(key);
    },
    reconfigure(changes) {
      Object.assign(current, changes);
      build();
    },
    async endSession(browser) {
      const form = await browser.open(`${issuer}/session/end`);
      const { status } = await browser.submit(form, { logout: 'yes' });
      if (status !== 200) throw new Error(`session not ended: ${status}`);
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
    async open() {
      build();
      await listen(port);
    },
  };
  build();
  return lab;
}

/** The page where a person would type a password: this person has typed it already. */
async function answerAs(
  provider: Provider,
  person: Person,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const result: InteractionResults =
    'error' in person
      ? { error: person.error, error_description: 'declined' }
      : {
          // Users of an app on their own machine are always asked for consent.
          consent: {},
          login: {
            accountId: person.account,
            ...(person.amr === undefined ? {} : { amr: person.amr }),
            ...(person.acr === undefined ? {} : { acr: person.acr }),
          },
        };
  await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
}
