import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ApiKey } from '../domain/control-state.ts';
import type { ControlEvent } from '../domain/events.ts';

const shape = /^pak1\.([A-Za-z0-9_-]{16})\.([A-Za-z0-9_-]{43})$/;

const hashSecret = (secret: string): Buffer => createHash('sha256').update(secret).digest();

/**
 * A new API key: `pak1.ID.SECRET` for its owner, who cannot be shown it again, and the event that makes it known. The
 * ledger keeps SHA-256 of 32 random bytes' text: there is nothing to guess, so a slow hash would protect nothing.
 */
export function createApiKey(name: string): {
  readonly key: string;
  readonly event: Extract<ControlEvent, { type: 'api-key-created' }>;
} {
  const id = randomBytes(12).toString('base64url');
  const secret = randomBytes(32).toString('base64url');
  return {
    key: `pak1.${id}.${secret}`,
    event: { type: 'api-key-created', id, name, secretHash: hashSecret(secret).toString('base64url') },
  };
}

/** Compared with when no key has that id, so that a wrong id takes as long as a wrong secret. */
const noHash = Buffer.alloc(32).toString('base64url');

/** The key that an `Authorization` header proves, or undefined for every way to be wrong. */
export function verifyApiKey(
  authorization: string | undefined,
  keys: ReadonlyMap<string, ApiKey>,
): ApiKey | undefined {
  const match = shape.exec(/^Bearer ([!-~]+)$/i.exec(authorization ?? '')?.[1] ?? '');
  if (match === null) return undefined;
  const [, id = '', secret = ''] = match;
  const known = keys.get(id);
  const expected = Buffer.from(known?.secretHash ?? noHash, 'base64url');
  const given = hashSecret(secret);
  const matches = expected.length === given.length && timingSafeEqual(expected, given);
  return matches && known !== undefined && known.revokedAt === undefined ? known : undefined;
}
