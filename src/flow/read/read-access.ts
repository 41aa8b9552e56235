import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Compile } from 'typebox/compile';
import { AccessRecord } from '../schema/control.ts';
import { parseFrame } from '../frames/frame.ts';
import { readLinesBackwards } from './read-backwards.ts';
import { parseSegmentName } from '../spool/segment-names.ts';

/** Behind the last record that was read: a place that later records do not move. */
export interface AccessPlace {
  readonly file: string;
  readonly offset: number;
}

export interface AccessPage {
  /** Newest first. */
  readonly records: readonly AccessRecord[];
  /** Where the next page begins, unless there is none. */
  readonly next: AccessPlace | undefined;
  /** Lines that are no records; `postern flows verify` says more about them. */
  readonly unreadable: number;
}

export interface AccessQuery {
  readonly limit: number;
  readonly from?: AccessPlace;
  readonly actor?: string;
  /** Epoch milliseconds. */
  readonly since?: number;
}

/** Lines that are looked at for one page, so that a rare actor does not make one request read the whole log. */
const maxLines = 20_000;
const validator = Compile(AccessRecord);

/** @throws RangeError for a place that is not in this directory; what the file system throws. */
export async function readAccess(directory: string, query: AccessQuery): Promise<AccessPage> {
  const { limit, from, actor, since = 0 } = query;
  // Names sort in the order of the chain: by start, then by segment.
  const files = (await readdir(directory)).filter((name) => parseSegmentName(name) !== undefined).toSorted();
  // The name comes from a client: only one that was found here is opened.
  if (from !== undefined && !files.includes(from.file)) throw new RangeError('no such place');
  const records: AccessRecord[] = [];
  let lines = 0;
  let unreadable = 0;
  for (const file of files.toReversed()) {
    if (from !== undefined && file > from.file) continue;
    const end = file === from?.file ? from.offset : undefined;
    for await (const { bytes, start } of readLinesBackwards(join(directory, file), end)) {
      const record = parseRecord(bytes);
      lines += 1;
      if (record === undefined) unreadable += 1;
      else if (record !== 'change') {
        if (record.time < since) return { records, next: undefined, unreadable };
        if (actor === undefined || record.actor.user.name === actor) records.push(record);
      }
      if (records.length >= limit || lines >= maxLines)
        return { records, next: { file, offset: start }, unreadable };
    }
  }
  return { records, next: undefined, unreadable };
}

/** What was changed is in the same chain, and in the ledger for those who ask. */
const changeStart = Buffer.from('{"class_uid":3004,');

function parseRecord(line: Buffer): AccessRecord | 'change' | undefined {
  const frame = parseFrame(line);
  if (frame?.kind !== 'record' || !frame.isSound) return undefined;
  const { payload } = frame;
  if (payload.subarray(0, changeStart.length).equals(changeStart)) return 'change';
  try {
    const value: unknown = JSON.parse(payload.toString('utf8'));
    return validator.Check(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
