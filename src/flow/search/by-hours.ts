import { hourMs } from '../archive/partition.ts';
import type { Collector } from './collect-rows.ts';
import type { FlowQuery } from './flow-query.ts';

interface OfHour {
  /** Epoch milliseconds at which the hour begins that all records in it are of. */
  readonly hour: number;
  /** Where it costs something to have it here. */
  readonly bytes?: number;
}

/** Hours of the first batch; each has four times as many as the one before. */
const firstHours = 1;
const growth = 4;
const mostBytes = 512 * 1024 * 1024;
/** What DuckDB knows of each file that it is asked about is half a megabyte, which its memory limit does not count. */
const mostFiles = 128;

/**
 * Files in batches to be asked one after the other. Where the newest records are wanted, from the newest hour on, and no further
 * than it takes: mostly an hour has them, and where little fits, few questions ask for all.
 * What has to be fetched is not more than half a gigabyte at once, and no question is about more files than memory has room for.
 */
export async function askByHours<File extends OfHour>(
  files: readonly File[],
  query: FlowQuery,
  collector: Collector,
  ask: (batch: readonly File[]) => Promise<void>,
): Promise<void> {
  const hours = [...Map.groupBy(files, ({ hour }) => hour)].sort(([one], [other]) => other - one);
  let most = query.kind === 'rows' ? firstHours : hours.length;
  let batch: File[] = [];
  let bytes = 0;
  let inBatch = 0;
  for (const [hour, ofHour] of hours) {
    const isFull = inBatch >= most || bytes >= mostBytes || batch.length + ofHour.length > mostFiles;
    if (batch.length > 0 && isFull) {
      await ask(batch);
      [batch, bytes, inBatch] = [[], 0, 0];
      most *= growth;
    }
    // All that is left happened before the end of this hour.
    if (batch.length === 0 && collector.isFullFrom(hour + hourMs)) return;
    batch.push(...ofHour);
    bytes += ofHour.reduce((total, file) => total + (file.bytes ?? 0), 0);
    inBatch += 1;
  }
  if (batch.length > 0) await ask(batch);
}
