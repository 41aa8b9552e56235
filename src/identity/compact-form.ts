/** A JWS in compact form (RFC 7515, section 7.1), split but NOT verified: each part still in base64url. */
export interface UnverifiedParts {
  readonly header: string;
  readonly payload: string;
  readonly signature: string;
}

export const maxTokenCharacters = 16 * 1024;

const shape = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{86})$/;

/** The bytes, if this is their one and only unpadded base64url text: no other trailing bits, spaces or padding. */
function decodeCanonical(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.toString('base64url') === text ? bytes : undefined;
}

/**
 * JSON in the one form that our own signer writes. Duplicate members, of which one reader takes the first and another
 * the last, do not survive being written again; neither do spaces, odd escapes and broken UTF-8.
 */
function parseCanonicalJson(bytes: Buffer): unknown {
  const text = bytes.toString('utf8');
  try {
    const value: unknown = JSON.parse(text);
    return JSON.stringify(value) === text ? value : undefined;
  } catch {
    return undefined;
  }
}

/** The JSON object in one part, if its encoding is canonical; undefined otherwise. */
export function readCanonicalObject(text: string): Readonly<Record<string, unknown>> | undefined {
  const bytes = decodeCanonical(text);
  const value = bytes === undefined ? undefined : parseCanonicalJson(bytes);
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

/**
 * Splits a token whose three parts are each in their only possible encoding; undefined for anything else. Libraries
 * forgive padding, spaces and stray bits, so that one token would have many spellings: none but the first passes here.
 */
export function splitCompactForm(raw: string): UnverifiedParts | undefined {
  if (raw.length > maxTokenCharacters) return undefined;
  const match = shape.exec(raw);
  if (match === null) return undefined;
  const [, header = '', payload = '', signature = ''] = match;
  if (decodeCanonical(signature)?.length !== 64) return undefined;
  return { header, payload, signature };
}
