import { createRecordReader, contextReach } from '../frames/record-reader.ts';
import type { RecordReader, StoredRecord } from '../frames/record-reader.ts';
import { readPiece } from './read-piece.ts';

export interface PlacedLine {
  /** Those in it; undefined for one that has none, or was damaged. */
  readonly records: readonly StoredRecord[] | undefined;
  readonly line: Buffer;
  /** Where it ends, line feed included: the place behind it. */
  readonly end: number;
}

export interface SegmentPiece {
  /** Read as they are asked for. There may be none though the piece is not empty: what records have in common has lines of its own. */
  readonly lines: Iterable<PlacedLine>;
  /** Where the piece ends: where there was no whole line, where it began. */
  readonly end: number;
  /** Bytes behind the last whole line that belong to one which is not finished. */
  readonly unfinished: Buffer;
}

/** Reads one segment piece by piece, also while it is written, from any place between two lines. */
export interface SegmentReader {
  readonly path: string;
  /** About so many bytes from an offset on, but one line at least where there is one. @throws what the file system throws */
  pieceAt(offset: number, bytes: number): Promise<SegmentPiece>;
}

const primeBytes = 1024 * 1024;
/** Whoever did not take all of a piece comes back for the rest. */
const backBytes = 1024 * 1024;

export function createSegmentReader(path: string): SegmentReader {
  let reader = createRecordReader();
  /** The reader knows what records between these two offsets, and at the later one, may refer to. */
  let from = 0;
  let to = 0;

  async function readerAt(offset: number): Promise<RecordReader> {
    if (offset >= from && offset <= to && to - offset <= backBytes) return reader;
    reader = createRecordReader();
    from = offset;
    to = Math.max(0, offset - contextReach);
    while (to < offset) {
      const { lines, ends } = await readPiece(path, to, Math.min(primeBytes, offset - to));
      if (lines.length === 0) break;
      // The first is the rest of one, as a rule, and reads as a line that is no record.
      for (const [index, line] of lines.entries()) {
        to = ends[index] ?? offset;
        if (to <= offset) reader.read(line, to - line.length - 1);
      }
    }
    to = offset;
    return reader;
  }

  return {
    path,
    async pieceAt(offset, bytes) {
      const current = await readerAt(offset);
      const { lines, ends, unfinished } = await readPiece(path, offset, bytes);
      function* placed(): Iterable<PlacedLine> {
        for (const [index, line] of lines.entries()) {
          const end = ends[index] ?? offset;
          const records = current.read(line, end - line.length - 1);
          to = end;
          if (records !== 'context') yield { records, line, end };
        }
      }
      return { lines: placed(), end: ends.at(-1) ?? offset, unfinished };
    },
  };
}
