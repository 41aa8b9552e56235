/** A JWS in compact form (RFC 7515, section 7.1): the octets of its parts, NOT verified. */
export interface UnverifiedParts {
  readonly unverifiedHeader: Buffer;
  readonly unverifiedPayload: Buffer;
}

export const maxTokenCharacters = 16 * 1024;

/** Three parts of base64url; the last is an ES256 signature of 64 octets. */
const shape = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})$/;

/** The octets, if this is their one and only unpadded base64url text: no stray bits behind the last of them. */
function decodeCanonical(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/**
 * Splits a token whose three parts are each in their only possible encoding; undefined for anything else. Libraries
 * forgive padding, spaces and stray bits, so that one token would have many spellings: none but the first passes here.
 */
export function splitCompactForm(raw: string): UnverifiedParts | undefined {
  if (raw.length > maxTokenCharacters) return undefined;
  const match = shape.exec(raw);
  if (match === null) return undefined;
  const [header, payload, signature] = match.slice(1).map(decodeCanonical);
  if (header === undefined || payload === undefined || signature === undefined) return undefined;
  return { unverifiedHeader: header, unverifiedPayload: payload };
}

/**
 * A JSON object in the one form that our own signer writes; undefined for any other. Duplicate members, of which one
 * reader takes the first and another the last, do not survive being written again; neither do spaces, needless escapes
 * and broken UTF-8.
 */
export function parseCanonicalObject(bytes: Buffer): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
  return Buffer.from(JSON.stringify(value)).equals(bytes) ? (value as Record<string, unknown>) : undefined;
}
