/** The Capsule Protocol (RFC 9297, section 3.2): what its users have in common. */

/** Capsules of other types are skipped whatever their length, but not for ever. */
export const maxSkippedBytes = 1024 * 1024;

/** What the peer sent is not the Capsule Protocol, or breaks a bound. The stream must be broken off. */
export class MalformedCapsule extends Error {
  override readonly name = 'MalformedCapsule';
}

/** A variable-length integer (RFC 9000, section 16), or undefined where it is not yet complete. */
export function readVarint(
  bytes: Buffer,
  at: number,
): { readonly value: number; readonly next: number } | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  const length = 1 << (first >> 6);
  if (at + length > bytes.length) return undefined;
  let value = first & 0x3f;
  for (let index = 1; index < length; index += 1) value = value * 256 + (bytes[at + index] ?? 0);
  return { value, next: at + length };
}
