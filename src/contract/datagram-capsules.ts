import { MalformedCapsule, maxSkippedBytes, readVarint } from './capsules.ts';

/**
 * The Capsule Protocol (RFC 9297, section 3.2) as far as proxied UDP uses it (RFC 9298, section 5): DATAGRAM capsules whose
 * payload is a context identifier of zero and one UDP payload. On one stream, in both directions.
 */

/** What a UDP packet over IP can hold (RFC 9298, section 5). */
export const maxDatagramBytes = 65_527;

const datagramCapsule = 0;

/** The capsule of one UDP payload of at most `maxDatagramBytes`. */
export function encodeDatagram(payload: Uint8Array): Buffer {
  const valueLength = payload.length + 1;
  const lengthBytes = valueLength < 64 ? 1 : valueLength < 16_384 ? 2 : 4;
  const capsule = Buffer.allocUnsafe(1 + lengthBytes + valueLength);
  capsule[0] = datagramCapsule;
  if (lengthBytes === 1) capsule[1] = valueLength;
  else if (lengthBytes === 2) capsule.writeUInt16BE(valueLength | 0x40_00, 1);
  else capsule.writeUInt32BE(valueLength + 0x80_00_00_00, 1);
  capsule[1 + lengthBytes] = 0;
  capsule.set(payload, 2 + lengthBytes);
  return capsule;
}

/** Cuts a stream of bytes into UDP payloads. Holds one capsule at most. */
export interface CapsuleReader {
  /** Calls `onDatagram` for each that is complete with this piece. @throws MalformedCapsule */
  read(piece: Buffer): void;
  /** Whether the stream may end here: not within a capsule (RFC 9297, section 3.3). */
  readonly isBetween: boolean;
}

export function createCapsuleReader(onDatagram: (payload: Buffer) => void): CapsuleReader {
  let kept: Buffer = Buffer.alloc(0);
  let toSkip = 0;

  const readOne = (from: number, bytes: Buffer): number | undefined => {
    const type = readVarint(bytes, from);
    if (type === undefined) return undefined;
    const length = readVarint(bytes, type.next);
    if (length === undefined) return undefined;
    if (type.value !== datagramCapsule) {
      if (length.value > maxSkippedBytes)
        throw new MalformedCapsule('a capsule of an unknown type is too long');
      toSkip = length.value;
      return length.next;
    }
    // The longest form of a context identifier is eight octets.
    if (length.value > maxDatagramBytes + 8)
      throw new MalformedCapsule('a datagram is longer than UDP can carry');
    const end = length.next + length.value;
    if (end > bytes.length) return undefined;
    const value = bytes.subarray(length.next, end);
    const context = readVarint(value, 0);
    if (context === undefined) throw new MalformedCapsule('a datagram without a context identifier');
    const payload = value.subarray(context.next);
    if (payload.length > maxDatagramBytes)
      throw new MalformedCapsule('a datagram is longer than UDP can carry');
    // Other contexts belong to extensions that nobody negotiated: their datagrams are dropped (RFC 9298, section 4).
    if (context.value === 0) onDatagram(payload);
    return end;
  };

  return {
    get isBetween() {
      return kept.length === 0 && toSkip === 0;
    },
    read(piece) {
      const bytes = kept.length === 0 ? piece : Buffer.concat([kept, piece]);
      let position = 0;
      for (;;) {
        const skipped = Math.min(toSkip, bytes.length - position);
        toSkip -= skipped;
        position += skipped;
        if (toSkip > 0 || position === bytes.length) break;
        const next = readOne(position, bytes);
        if (next === undefined) break;
        position = next;
      }
      // A copy: the piece is part of a larger buffer, which a few left-over bytes would keep.
      kept = position === bytes.length ? Buffer.alloc(0) : Buffer.from(bytes.subarray(position));
    },
  };
}
