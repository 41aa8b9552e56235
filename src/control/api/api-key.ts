import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import type { ApiKey, ControlState } from '../../domain/control-state.ts';
import type { ControlEvent } from '../../domain/events.ts';
import type { UserName } from '../../domain/ids.ts';

const shape = /^pak1\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{43})$/;

const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/**
 * A new API key: `pak1.ID.SECRET` for its owner, who cannot be shown it again, and the event that makes it known. The
 * ledger keeps SHA-256 of 32 random bytes' text: there is nothing to guess, so a slow hash would protect nothing.
 */
export function createApiKey({
  name,
  role,
  scopes,
  expiresAt,
}: Pick<ApiKey, 'name' | 'role' | 'scopes' | 'expiresAt'>): {
  readonly key: string;
  readonly event: Extract<ControlEvent, { type: 'api-key-created' }>;
} {
  // An id that began with a hyphen would be an option of the commands that take one.
  const id = randomBytes(12).toString('base64url').replace(/^-/, '_');
  const secret = randomBytes(32).toString('base64url');
  return {
    key: `pak1.${id}.${secret}`,
    event: {
      type: 'api-key-created',
      id,
      name,
      secretHash: hashSecret(secret).toString('base64url'),
      role,
      ...(scopes === undefined ? {} : { scopes }),
      ...(expiresAt === undefined ? {} : { expiresAt }),
    },
  };
}

/** Compared with when no key has that id, so that a wrong id takes as long as a wrong secret. */
const noHash = Buffer.alloc(32).toString('base64url');

/**
 * The key that an `Authorization` header proves. Every way to be wrong is one refusal; only who has the secret learns
 * that a key has expired. `now` in epoch seconds.
 */
export function verifyApiKey(
  authorization: string | undefined,
  keys: ReadonlyMap<string, ApiKey>,
  now: number,
): ApiKey | Refusal {
  const match = shape.exec(/^Bearer ([!-~]+)$/i.exec(authorization ?? '')?.[1] ?? '');
  if (match === null) return refuse('api-key-invalid');
  const [, id = '', secret = ''] = match;
  const known = keys.get(id);
  const expected = Buffer.from(known?.secretHash ?? noHash, 'base64url');
  const given = hashSecret(secret);
  const matches = expected.length === given.length && timingSafeEqual(expected, given);
  if (!matches || known === undefined || known.revokedAt !== undefined) return refuse('api-key-invalid');
  if (known.expiresAt !== undefined && known.expiresAt <= now)
    return refuse('api-key-expired', `API key ${known.name} expired at ${known.expiresAt}`);
  return known;
}

/**
 * Whether a key is one that can always let an owner in: of that role, for all of it, and without an end. One such must
 * remain, or nobody could administer any more.
 */
export const isLastingOwner = ({ role, scopes, expiresAt, revokedAt }: ApiKey): boolean =>
  role === 'owner' && scopes === undefined && expiresAt === undefined && revokedAt === undefined;

/** Why a key cannot be revoked in a state, if it cannot. */
export function checkRevocation({ apiKeys }: Pick<ControlState, 'apiKeys'>, id: string): Refusal | undefined {
  const key = apiKeys.get(id);
  if (key === undefined) return refuse('not-found', `there is no API key ${id}`);
  if (key.revokedAt !== undefined) return refuse('state-final', `API key ${key.name} is revoked already`);
  if (isLastingOwner(key) && [...apiKeys.values()].filter(isLastingOwner).length === 1)
    return refuse('last-owner', `API key ${key.name} is the last of an owner that does not expire`);
  return undefined;
}

/**
 * The ids of the keys that a person made, or that were made with those, and that are not revoked yet; none where all are.
 * Why they cannot all be revoked in a state, if they cannot.
 */
export function keysToRevokeOf(
  { apiKeys }: Pick<ControlState, 'apiKeys'>,
  person: UserName,
): readonly string[] | Refusal {
  const theirs = [...apiKeys.values()].filter((key) => key.person === person);
  if (theirs.length === 0) return refuse('not-found', `no API key is known to have been made by ${person}`);
  const revoked = theirs.filter(({ revokedAt }) => revokedAt === undefined);
  const lasting = [...apiKeys.values()].filter(isLastingOwner);
  if (revoked.some(isLastingOwner) && lasting.every((key) => key.person === person))
    return refuse('last-owner', `every API key of an owner that does not expire was made by ${person}`);
  return revoked.map(({ id }) => id);
}
