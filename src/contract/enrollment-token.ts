/**
 * What an enrollment token looks like to a person: `pet1.FINGERPRINT.ID.SECRET`. The fingerprint pins the
 * authority before the first byte is trusted; the secret is known to the server only by its hash.
 */
export interface EnrollmentTokenParts {
  /** base64url SHA-256 of the root certificate's DER. */
  readonly rootFingerprint: string;
  readonly id: string;
  /** 32 random bytes, base64url. */
  readonly secret: string;
}

const shape = /^pet1\.([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{12,22})\.([A-Za-z0-9_-]{43})$/;

export const formatEnrollmentToken = (parts: EnrollmentTokenParts): string =>
  `pet1.${parts.rootFingerprint}.${parts.id}.${parts.secret}`;

/** Typed parts, or undefined for anything that is not exactly such a token. */
export function parseEnrollmentToken(value: string): EnrollmentTokenParts | undefined {
  const match = shape.exec(value);
  if (match === null) return undefined;
  const [, rootFingerprint = '', id = '', secret = ''] = match;
  return { rootFingerprint, id, secret };
}
