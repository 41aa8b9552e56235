import { crc32 } from 'node:zlib';

/**
 * What a line of a segment holds: a `record` as receivers see it; a `context`, which is what many records have in common; or
 * a `short` record, which names its context and has what differs.
 */
export type FrameKind = 'record' | 'context' | 'short';

export interface Frame {
  readonly kind: FrameKind;
  /** ASCII JSON. A part of the line that it was read from. */
  readonly payload: Buffer;
  /** Whether length and checksum fit: what a failing disk does to a line shows without its neighbors. */
  readonly isSound: boolean;
}

/** `["r","00014f","9c2f01ab",PAYLOAD]`: kind, bytes of the payload and their CRC-32 (that of zlib), both in hexadecimal. */
const prefix = /^\["([rcs])","([0-9a-f]{6})","([0-9a-f]{8})",$/;
const prefixBytes = 25;
const kinds: Readonly<Record<string, FrameKind>> = { r: 'record', c: 'context', s: 'short' };
const closing = 0x5d;
const lineFeed = 0x0a;

/** Bytes of a line beside its payload, line feed included. */
export const frameOverhead = prefixBytes + 2;

const start = {
  record: Buffer.from('["r","', 'latin1'),
  context: Buffer.from('["c","', 'latin1'),
  short: Buffer.from('["s","', 'latin1'),
} as const;
const digits = Buffer.from('0123456789abcdef', 'latin1');

function writeHex(buffer: Buffer, at: number, value: number, count: number): void {
  for (let index = count - 1, left = value; index >= 0; index -= 1, left >>>= 4)
    buffer[at + index] = digits[left & 0xf] ?? 0;
}

/** Writes a line with its line feed, of `text.length + frameOverhead` bytes. @returns the payload in the buffer. */
export function writeFrame(buffer: Buffer, at: number, kind: FrameKind, text: string): Buffer {
  const payload = buffer.subarray(at + prefixBytes, at + prefixBytes + text.length);
  buffer.write(text, at + prefixBytes, 'latin1');
  buffer.set(start[kind], at);
  writeHex(buffer, at + 6, text.length, 6);
  buffer.write('","', at + 12, 'latin1');
  writeHex(buffer, at + 15, crc32(payload), 8);
  buffer.write('",', at + 23, 'latin1');
  buffer[at + prefixBytes + text.length] = closing;
  buffer[at + prefixBytes + text.length + 1] = lineFeed;
  return payload;
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
  const isSound =
    payload.length === Number.parseInt(length, 16) && crc32(payload) === Number.parseInt(sum, 16);
  return { kind, payload, isSound };
}
