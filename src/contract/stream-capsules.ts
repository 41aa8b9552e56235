import { MalformedCapsule, maxSkippedBytes, readVarint } from './capsules.ts';

/**
 * The Capsule Protocol as a tunnel of bytes uses it (draft-ietf-httpbis-connect-tcp-11, upgrade token `connect-tcp`): DATA
 * capsules, and a FINAL_DATA capsule that is the end of one direction, so that what broke off never looks whole. One
 * capsule more is ours: a session token, which takes the place of the connection's, as `Proxy-Authorization` does on a
 * request. Types are the provisional ones of the draft.
 */
const dataType = 0x20_28_d7_f0;
const finalType = 0x20_28_d7_f1;
const tokenType = 0x20_50_73_74;

/** Longer than any session token. */
const maxTokenBytes = 16_384;
/** Two integers of eight octets each. */
const maxHeadBytes = 16;

/** Type and length, each in four octets (RFC 9000, section 16): a capsule takes up to a gibibyte. */
function head(type: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeUInt32BE(type + 0x80_00_00_00, 0);
  bytes.writeUInt32BE(length + 0x80_00_00_00, 4);
  return bytes;
}

/** What stands before `length` bytes of payload. */
export const dataHead = (length: number): Buffer => head(dataType, length);

export const finalCapsule: Buffer = head(finalType, 0);

export const tokenCapsule = (token: string): Buffer => {
  const value = Buffer.from(token, 'latin1');
  return Buffer.concat([head(tokenType, value.length), value]);
};

export interface StreamParts {
  /** A part of the bytes given to `read`, not a copy. */
  onData(part: Buffer): void;
  /** Nothing comes after it. */
  onFinal(): void;
  /** Where the peer may send none, it is skipped. */
  onToken?(token: string): void;
}

/** Takes a stream apart as it comes: of payload nothing is held. `read` @throws MalformedCapsule */
export function createStreamReader(parts: StreamParts): { read(piece: Buffer): void } {
  let begun: Buffer | undefined;
  let type = 0;
  let left = 0;
  let isInside = false;
  let isOver = false;
  let token: Buffer[] = [];

  /** Reads type and length. @returns where the payload begins; undefined where more is needed. */
  const readHead = (bytes: Buffer, at: number): number | undefined => {
    const kind = readVarint(bytes, at);
    const length = kind === undefined ? undefined : readVarint(bytes, kind.next);
    if (kind === undefined || length === undefined) return undefined;
    const carriesData = kind.value === dataType || kind.value === finalType;
    if (carriesData && isOver) throw new MalformedCapsule('data behind its end');
    if (kind.value === tokenType && length.value > maxTokenBytes)
      throw new MalformedCapsule('a token is too long');
    if (!carriesData && length.value > maxSkippedBytes)
      throw new MalformedCapsule('a capsule of an unknown type is too long');
    type = kind.value;
    left = length.value;
    isInside = true;
    return length.next;
  };
  const take = (part: Buffer): void => {
    left -= part.length;
    if (type === dataType || type === finalType) {
      if (part.length > 0) parts.onData(part);
    } else if (type === tokenType) token.push(Buffer.from(part));
    if (left > 0) return;
    isInside = false;
    if (type === finalType) {
      isOver = true;
      parts.onFinal();
    } else if (type === tokenType) {
      const whole = Buffer.concat(token).toString('latin1');
      token = [];
      parts.onToken?.(whole);
    }
  };

  return {
    read(piece) {
      const bytes = begun === undefined ? piece : Buffer.concat([begun, piece]);
      begun = undefined;
      let at = 0;
      while (at < bytes.length) {
        if (!isInside) {
          const next = readHead(bytes, at);
          if (next === undefined) {
            if (bytes.length - at >= maxHeadBytes) throw new MalformedCapsule('no head of a capsule');
            // A copy: the piece is part of a larger buffer.
            begun = Buffer.from(bytes.subarray(at));
            return;
          }
          at = next;
        }
        const end = Math.min(bytes.length, at + left);
        take(bytes.subarray(at, end));
        at = end;
      }
    },
  };
}
