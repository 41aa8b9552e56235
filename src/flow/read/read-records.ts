import { readLines } from './read-lines.ts';
import { createRecordReader } from '../frames/record-reader.ts';
import type { StoredRecord } from '../frames/record-reader.ts';

/**
 * All records of one segment in their order, and `unreadable` for each whole line that is none. What a worker is just
 * writing is left out. @throws what the file system throws
 */
export async function* readRecords(path: string): AsyncIterable<StoredRecord | 'unreadable'> {
  const reader = createRecordReader();
  let offset = 0;
  for await (const { bytes, isWhole } of readLines(path)) {
    if (!isWhole) return;
    const records = reader.read(bytes, offset);
    offset += bytes.length + 1;
    if (records === undefined) yield 'unreadable';
    else if (records !== 'context') yield* records;
  }
}
