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

/** What the password of a SCEP challenge carries (RFC 8894, section 2.4). Its authority is pinned by the profile of the device. */
export type ScepChallengeParts = Pick<EnrollmentTokenParts, 'id' | 'secret'>;

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

// Letters that a PrintableString has, and few: some systems take no more than 64.
const challengeShape = /^scep1\.([0-9a-f]{16})\.([0-9a-f]{40})$/;

/** `scep1.ID.SECRET`, for the profile that the device management gives to one device. */
export const formatScepChallenge = ({ id, secret }: ScepChallengeParts): string => `scep1.${id}.${secret}`;

export function parseScepChallenge(value: string): ScepChallengeParts | undefined {
  const match = challengeShape.exec(value);
  if (match === null) return undefined;
  const [, id = '', secret = ''] = match;
  return { id, secret };
}
