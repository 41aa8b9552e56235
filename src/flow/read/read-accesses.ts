import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readRecords } from './read-records.ts';
import { readAccess } from './recorded-access.ts';
import type { RecordedAccess } from './recorded-access.ts';
import { parseSegmentName } from '../spool/segment-names.ts';

/** Handed over together, so that a reader may stop or show how far it is. */
const accessesAtOnce = 5000;

/**
 * The accesses of a flow directory that began at or after `since` (epoch milliseconds), worker by worker in their order,
 * and `malformed` for each line that is no record. Nothing is verified: that is for `verifyFlows`.
 * @throws what the file system throws
 */
export async function* readAccesses(
  directory: string,
  since: number,
): AsyncIterable<readonly (RecordedAccess | 'malformed')[]> {
  const names = (await readdir(directory)).filter((name) => parseSegmentName(name) !== undefined).toSorted();
  let accesses: (RecordedAccess | 'malformed')[] = [];
  for (const name of names) {
    const path = join(directory, name);
    // What was written last before that time holds nothing that began after it.
    if ((await stat(path)).mtimeMs < since) continue;
    for await (const record of readRecords(path)) {
      const access = record === 'unreadable' ? 'malformed' : readAccess(record.text);
      if (access === 'none' || (access !== 'malformed' && access.startedAt < since)) continue;
      accesses.push(access);
      if (accesses.length < accessesAtOnce) continue;
      yield accesses;
      accesses = [];
    }
  }
  yield accesses;
}
