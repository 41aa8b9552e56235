import { open } from 'node:fs/promises';
import { plainFile } from './plain-file.ts';

export interface LineBefore {
  /** Without its line feed. */
  readonly bytes: Buffer;
  /** Where it begins in the file: what comes before it ends there. */
  readonly start: number;
}

const pieceBytes = 64 * 1024;
const lineFeed = 0x0a;

/**
 * Whole lines of a file that end at or before `end`, the last one first; without `end`, from where the file ends now. A
 * line that is still being written has no line feed and is not among them.
 */
export async function* readLinesBackwards(path: string, end?: number): AsyncIterable<LineBefore> {
  const file = await open(path, plainFile);
  try {
    let position = Math.min(end ?? Number.POSITIVE_INFINITY, (await file.stat()).size);
    /** What was read and not handed over: from `position` to just behind a line feed, but for the end of the file. */
    let held: Buffer = Buffer.alloc(0);
    let isAtEnd = true;
    while (position > 0) {
      const length = Math.min(position, pieceBytes);
      const piece = Buffer.alloc(length);
      await file.read(piece, 0, length, position - length);
      position -= length;
      held = Buffer.concat([piece, held]);
      if (isAtEnd) {
        const last = held.lastIndexOf(lineFeed);
        isAtEnd = last === -1;
        held = held.subarray(0, last + 1);
      }
      while (held.length > 0) {
        const before = held.length < 2 ? -1 : held.lastIndexOf(lineFeed, held.length - 2);
        if (before === -1 && position > 0) break;
        yield { bytes: held.subarray(before + 1, -1), start: position + before + 1 };
        held = held.subarray(0, before + 1);
      }
    }
  } finally {
    await file.close();
  }
}
