import { open } from 'node:fs/promises';
import { plainFile } from './plain-file.ts';

export interface Piece {
  /** Whole lines without their line feeds. */
  readonly lines: readonly Buffer[];
  /** Where each of them ends, line feed included. */
  readonly ends: readonly number[];
  /** Bytes behind the last whole line that belong to one which is not finished. */
  readonly unfinished: Buffer;
}

const lineFeed = 0x0a;
/** Longer than any record can be. */
const mostLineBytes = 4 * 1024 * 1024;

/**
 * The whole lines of a file from an offset, at most about `bytes` of them, but one at least. What is longer than any
 * record comes back as a line, so that no file can stop the reader or fill the memory.
 * @throws what the file system throws
 */
export async function readPiece(path: string, offset: number, bytes: number): Promise<Piece> {
  const file = await open(path, plainFile);
  try {
    const available = (await file.stat()).size - offset;
    for (let length = Math.min(available, bytes); ; length = Math.min(available, length * 4)) {
      if (length <= 0) return { lines: [], ends: [], unfinished: Buffer.alloc(0) };
      const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(length), 0, length, offset);
      const data = buffer.subarray(0, bytesRead);
      if (data.includes(lineFeed)) return splitLines(data, offset);
      if (length > mostLineBytes)
        return { lines: [data], ends: [offset + bytesRead], unfinished: Buffer.alloc(0) };
      if (length === available) return { lines: [], ends: [], unfinished: data };
    }
  } finally {
    await file.close();
  }
}

function splitLines(data: Buffer, offset: number): Piece {
  const lines: Buffer[] = [];
  const ends: number[] = [];
  let start = 0;
  for (let end = data.indexOf(lineFeed); end !== -1; end = data.indexOf(lineFeed, start)) {
    lines.push(data.subarray(start, end));
    start = end + 1;
    ends.push(offset + start);
  }
  return { lines, ends, unfinished: data.subarray(start) };
}
