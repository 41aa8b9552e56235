import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { segmentName } from '../spool/segment-names.ts';
import { chainBeginning } from './position.ts';
import type { Position } from './position.ts';
import { memberOf } from './spool-item.ts';
import type { SpoolItem } from './spool-item.ts';
import { createSpoolListing } from './spool-listing.ts';
import type { ListedStream } from './spool-listing.ts';
import { createSpoolReader } from './spool-reader.ts';

export interface Period {
  /** Epoch milliseconds; `until` is not in it. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
}

const limits = { records: 1000, bytes: 1024 * 1024 };

/**
 * What some directories have of a period, by the `time` of the records: each chain in its order. Gaps are told too, and what is no
 * record. What is recorded while it reads may be among it.
 * @throws what the file system throws
 */
export async function* readPeriod(
  directories: readonly string[],
  { since, until }: Period,
): AsyncIterable<SpoolItem> {
  const listing = createSpoolListing(directories);
  const reader = createSpoolReader({ listing, bootId: '' });
  if (since !== undefined) reader.reset(await skipOlder(await listing.streams(), since));
  for (;;) {
    const reading = await reader.read(limits);
    if (reading === undefined) return;
    for (const item of reading.items) {
      const time = item.kind === 'record' ? memberOf(item.record, 'time') : undefined;
      if (typeof time === 'number' && (time < (since ?? time) || time >= (until ?? Number.POSITIVE_INFINITY)))
        continue;
      yield item;
    }
  }
}

/** Begins each chain with the first segment that was written to in the period. */
async function skipOlder(streams: readonly ListedStream[], since: number): Promise<Map<string, Position>> {
  const positions = new Map<string, Position>();
  for (const { name, directory, stream, segments } of streams) {
    let segment = segments[0] ?? 0;
    for (const next of segments) {
      segment = next;
      if ((await stat(join(directory, segmentName(stream, next)))).mtimeMs >= since) break;
    }
    positions.set(name, { ...chainBeginning, segment, sequence: undefined });
  }
  return positions;
}
