import { createSecureContext } from 'node:tls';
import type { SecureContext } from 'node:tls';
import type { ControlState } from '../domain/control-state.ts';
import type { App } from '../domain/resources.ts';
import type { GatewayParts, ServerIdentity } from './gateway-parts.ts';

/** TLS contexts by server name: the gateway's own, and one for each http app, certified ahead of the first client. */
export interface ServerNames {
  /** For a name that is lower-case already; the gateway's own context without one. @throws for an unknown name. */
  find(serverName: string | undefined): Promise<SecureContext>;
  /** Context of an app inside a tunnel, without client certificates: the tunnel has proven the device. */
  inner(app: App): Promise<SecureContext>;
  /** Certifies what is new or about to expire, forgets what is gone. */
  refresh(): void;
  replaceGateway(identity: ServerIdentity): void;
}

export class UnknownServerName extends Error {
  override readonly name = 'UnknownServerName';
}

interface AppContexts {
  readonly host: string;
  readonly identity: Promise<{ outer: SecureContext; inner: SecureContext }>;
  readonly madeAt: number;
}

/** Certificates of apps live a week; they are made anew long before. */
const renewAfterMs = 4 * 86_400_000;

export function createServerNames(
  parts: Pick<
    GatewayParts,
    'gatewayIdentity' | 'identityOf' | 'settings' | 'clientAuthorityPem' | 'now' | 'log'
  >,
  state: ControlState,
): ServerNames {
  const { settings, clientAuthorityPem } = parts;
  // One set of trusted authorities for all names, so that no name leads to another (CVE-2026-48928).
  const outerContext = ({ certificatePem, privateKeyPem }: ServerIdentity): SecureContext =>
    createSecureContext({
      cert: certificatePem,
      key: privateKeyPem,
      ca: clientAuthorityPem,
      minVersion: settings.gateway.minTlsVersion,
    });
  let gateway = outerContext(parts.gatewayIdentity);
  const byHost = new Map<string, AppContexts>();

  function certify(app: App): AppContexts {
    const identity = parts.identityOf(app.name, app.host).then((made) => ({
      outer: outerContext(made),
      inner: createSecureContext({
        cert: made.certificatePem,
        key: made.privateKeyPem,
        minVersion: 'TLSv1.2',
      }),
    }));
    const contexts = { host: app.host, identity, madeAt: parts.now() };
    byHost.set(app.host, contexts);
    identity.catch((error: unknown) => {
      parts.log.warn({ err: error, app: app.name }, 'no certificate for the application');
      if (byHost.get(app.host) === contexts) byHost.delete(app.host);
    });
    return contexts;
  }

  const contextsOf = (app: App): AppContexts => byHost.get(app.host) ?? certify(app);
  const appAt = (host: string): App | undefined => {
    for (const app of state.apps.values()) if (app.host === host) return app;
    return undefined;
  };

  return {
    async find(serverName) {
      if (serverName === undefined || serverName === '' || serverName === settings.gateway.name)
        return gateway;
      const known = byHost.get(serverName);
      if (known !== undefined) return (await known.identity).outer;
      const app = appAt(serverName);
      if (app === undefined) throw new UnknownServerName(serverName);
      return (await certify(app).identity).outer;
    },
    inner: async (app) => (await contextsOf(app).identity).inner,
    refresh() {
      const wanted = new Set<string>();
      for (const app of state.apps.values()) {
        wanted.add(app.host);
        const known = byHost.get(app.host);
        if (known === undefined || parts.now() - known.madeAt > renewAfterMs) certify(app);
      }
      for (const host of byHost.keys()) if (!wanted.has(host)) byHost.delete(host);
    },
    replaceGateway(identity) {
      gateway = outerContext(identity);
    },
  };
}
