import { assertionLifetimeSeconds, sessionTokenLifetimeSeconds } from '../contract/session-token.ts';
import type { ControlState, PublishedKey } from '../domain/control-state.ts';
import type { KeyUse } from './signing-key.ts';

export const keyUses = ['session', 'assertion'] as const satisfies readonly KeyUse[];

/** A key signs for this long, then its successor takes over. */
export const rotationSeconds = 30 * 86_400;

/**
 * How long a key must have been published before it may take over: longer than any verifier, and any application that
 * caches our JWKS, is behind the ledger.
 */
export const settlingSeconds = 86_400;

const lifetimeSeconds: Readonly<Record<KeyUse, number>> = {
  session: sessionTokenLifetimeSeconds,
  assertion: assertionLifetimeSeconds,
};

export type Keys = Pick<ControlState, 'signingKeys'>;

/** Keys of one use that are not retired, in the order in which they sign. */
function successionOf(state: Keys, use: KeyUse): PublishedKey[] {
  return [...state.signingKeys.values()]
    .filter((key) => key.use === use && key.retiredAt === undefined)
    .sort((a, b) => a.publishedAt - b.publishedAt || (a.kid < b.kid ? -1 : 1));
}

/** The key to sign with: the oldest that is not retired, so that it has been published longest. */
export const currentKey = (state: Keys, use: KeyUse): PublishedKey | undefined => successionOf(state, use)[0];

/** When the current key began to sign: as it was published, or as its predecessor was retired. */
function currentSince(state: Keys, current: PublishedKey): number {
  const retirements = [...state.signingKeys.values()]
    .filter((key) => key.use === current.use)
    .map((key) => key.retiredAt ?? 0);
  return Math.max(current.publishedAt, ...retirements);
}

/** What rotation asks for now: events to append in this order, retirements after publications. */
export interface RotationPlan {
  /** One new key to make and publish for each entry. */
  readonly publish: readonly KeyUse[];
  /** Keys whose private half signs no more and is to be deleted. */
  readonly retire: readonly string[];
}

/**
 * Keeps a current and a published next key of each use. A verifier that folds the ledger never meets an unknown key:
 * only the very first key signs without having waited as "next". Retired keys verify until their last token is over.
 * `now` in epoch seconds.
 */
export function planRotation(state: Keys, now: number): RotationPlan {
  const publish: KeyUse[] = [];
  const retire: string[] = [];
  for (const use of keyUses) {
    const succession = successionOf(state, use);
    const [current, next] = succession;
    const due = current !== undefined && now >= currentSince(state, current) + rotationSeconds;
    const settled = next !== undefined && now >= next.publishedAt + settlingSeconds;
    if (due && settled) retire.push(current.kid);
    const remaining = succession.length - (due && settled ? 1 : 0);
    for (let count = remaining; count < 2; count++) publish.push(use);
  }
  return { publish, retire };
}

/**
 * Keys that other servers of one ledger published and have not retired, long after they should have: the server is gone.
 * They sign nothing, but are still believed.
 */
export function abandonedKeys(state: Keys, isOwn: (kid: string) => boolean, now: number): string[] {
  return [...state.signingKeys.values()]
    .filter(({ kid, retiredAt, publishedAt }) => {
      // As next for one rotation and as current for another: a third of patience.
      return !isOwn(kid) && retiredAt === undefined && now >= publishedAt + 3 * rotationSeconds;
    })
    .map(({ kid }) => kid);
}

/** The keys that a verifier may still meet, as a JSON Web Key Set (RFC 7517) to publish. */
export function buildJwks(state: Keys, use: KeyUse, now: number): { keys: Record<string, string>[] } {
  const keys = [...state.signingKeys.values()]
    .filter((key) => key.use === use)
    .filter((key) => key.retiredAt === undefined || now < key.retiredAt + lifetimeSeconds[use])
    .map((key) => ({ ...key.jwk, kid: key.kid, alg: 'ES256', use: 'sig' }));
  return { keys };
}
