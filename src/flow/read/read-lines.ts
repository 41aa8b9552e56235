import { createReadStream } from 'node:fs';
import { plainFile } from './plain-file.ts';

export interface RawLine {
  /** Without its line feed. Valid until the next one is asked for. */
  readonly bytes: Buffer;
  /** From 1. */
  readonly number: number;
  /** Whether a line feed ended it; only the last line of a file can lack one. */
  readonly isWhole: boolean;
}

/** A line longer than any record can be is handed over in pieces, so that no file can fill the memory. */
const mostLineBytes = 1024 * 1024;

// Its types know of words only.
const streamOptions = { highWaterMark: 256 * 1024, flags: plainFile as unknown as string };

/** Lines of a file as bytes, since hashes are of bytes. */
export async function* readLines(path: string): AsyncIterable<RawLine> {
  let rest: Buffer = Buffer.alloc(0);
  let number = 0;
  for await (const chunk of createReadStream(path, streamOptions)) {
    let data = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    for (let end = data.indexOf(0x0a); end !== -1; end = data.indexOf(0x0a)) {
      number += 1;
      yield { bytes: data.subarray(0, end), number, isWhole: true };
      data = data.subarray(end + 1);
    }
    if (data.length > mostLineBytes) {
      number += 1;
      yield { bytes: data, number, isWhole: true };
      data = Buffer.alloc(0);
    }
    rest = data;
  }
  if (rest.length > 0) yield { bytes: rest, number: number + 1, isWhole: false };
}
