import type { Credentials } from '../state/credentials.ts';
import type { SessionCache } from '../state/session-cache.ts';
import type { GatewaySession } from './gateway-session.ts';
import { createIdentity } from './identity.ts';
import type { Identity, IdentityOptions } from './identity.ts';

/** The certificate in force, and those before it as long as sessions of theirs carry flows. */
export interface Identities {
  current(): Identity;
  all(): readonly Identity[];
  of(session: GatewaySession): Identity | undefined;
  /** Without a session there is nothing to keep alive: the next one fetches what it needs. */
  inUse(): readonly Identity[];
  dropUnused(): void;
  /** Renews the certificate; many who find it due at once share one attempt. Throws what Renewal throws. */
  renew(signal: AbortSignal): Promise<void>;
}

export function createIdentities(options: {
  readonly identity: IdentityOptions;
  readonly credentials: Credentials;
  readonly cached: SessionCache['token'];
  sessions(): readonly GatewaySession[];
  /** Keeps the renewed certificate before it is used. */
  readonly saveCertificate: (credentials: Credentials) => void;
  onRenewed(credentials: Credentials, isLate: boolean): void;
}): Identities {
  let current = createIdentity(options.identity, options.credentials, {
    cached: options.cached,
    isNew: false,
  });
  let all: readonly Identity[] = [current];
  let renewing: Promise<void> | undefined;
  const inUse = (): readonly Identity[] => {
    const used = new Set(options.sessions().map((session) => session.credentials));
    return all.filter((one) => used.has(one.credentials));
  };
  const renewNow = async (signal: AbortSignal): Promise<void> => {
    try {
      const { credentials, isLate } = await current.renewal.attempt(options.saveCertificate, signal);
      current = createIdentity(options.identity, credentials, { isNew: true });
      all = [current, ...all];
      options.onRenewed(credentials, isLate);
    } finally {
      renewing = undefined;
    }
  };
  return {
    current: () => current,
    all: () => all,
    of: (session) => all.find((one) => one.credentials === session.credentials),
    inUse,
    dropUnused: () => {
      all = [current, ...inUse().filter((one) => one !== current)];
    },
    renew: (signal) => (renewing ??= renewNow(signal)),
  };
}
