import { lineHash } from '../spool/chain.ts';

/**
 * What a line of a segment holds: a `record` as receivers see it; a `context`, which is what many records have in common; or
 * a `short` record, which names its context and has what differs.
 */
export type FrameKind = 'record' | 'context' | 'short';

export interface Frame {
  readonly kind: FrameKind;
  /** ASCII JSON. A part of the line that it was read from. */
  readonly payload: Buffer;
  /** SHA-256 of the payload in hexadecimal: what others name it by. */
  readonly hash: string;
  /** Whether length and checksum fit: what a failing disk does to a line shows without its neighbors. */
  readonly isSound: boolean;
}

/**
 * `["r","00014f","9c2f01ab",PAYLOAD]`: kind, bytes of the payload, and a checksum: the first digits of its hash, which is worked
 * out anyway and overlooks no more than a CRC of that length.
 */
const prefix = /^\["([rcs])","([0-9a-f]{6})","([0-9a-f]{8})",$/;
const prefixBytes = 25;
const kinds: Readonly<Record<string, FrameKind>> = { r: 'record', c: 'context', s: 'short' };
const closing = 0x5d;
const lineFeed = 0x0a;

/** Bytes of a line beside its payload, line feed included. */
export const frameOverhead = prefixBytes + 2;

/** To be filled in. */
const starts = {
  record: Buffer.from('["r","000000","00000000",', 'latin1'),
  context: Buffer.from('["c","000000","00000000",', 'latin1'),
  short: Buffer.from('["s","000000","00000000",', 'latin1'),
} as const satisfies Record<FrameKind, Buffer>;
const digits = Buffer.from('0123456789abcdef', 'latin1');
const lastLengthDigit = 11;
const firstSumDigit = 15;
const sumDigits = 8;

/** Writes a line with its line feed, of `text.length + frameOverhead` bytes. @returns the hash of the payload */
export function writeFrame(buffer: Buffer, at: number, kind: FrameKind, text: string): string {
  const start = at + prefixBytes;
  const end = start + text.length;
  buffer.write(text, start, 'latin1');
  // Of what was written: the text is put together once, and never copied to be hashed.
  const hash = lineHash(buffer.subarray(start, end));
  buffer.set(starts[kind], at);
  for (let place = at + lastLengthDigit, left = text.length; left > 0; place -= 1, left >>>= 4)
    buffer[place] = digits[left & 0xf] ?? 0;
  for (let digit = 0; digit < sumDigits; digit += 1)
    buffer[at + firstSumDigit + digit] = hash.charCodeAt(digit);
  buffer[end] = closing;
  buffer[end + 1] = lineFeed;
  return hash;
}

/** The same as text, without the line feed. */
export function formatFrame(kind: FrameKind, text: string): string {
  const buffer = Buffer.alloc(text.length + frameOverhead);
  writeFrame(buffer, 0, kind, text);
  return buffer.toString('latin1', 0, text.length + frameOverhead - 1);
}

/** Undefined for a line that is none. What is not sound is told all the same, for whoever says what is wrong with it. */
export function parseFrame(line: Buffer): Frame | undefined {
  const [, letter = '', length = '', sum = ''] = prefix.exec(line.toString('latin1', 0, prefixBytes)) ?? [];
  const kind = kinds[letter];
  if (kind === undefined || line[line.length - 1] !== closing) return undefined;
  const payload = line.subarray(prefixBytes, -1);
  const hash = lineHash(payload);
  return {
    kind,
    payload,
    hash,
    isSound: payload.length === Number.parseInt(length, 16) && hash.startsWith(sum),
  };
}
