import { rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { RetentionDays } from '../retention.ts';
import { hourMs, parsePartitionPath } from './partition.ts';

const dayMs = 86_400_000;

/**
 * Removes those partitions of an archive whose time is over, each by the days of its class. `now` in epoch milliseconds.
 * @returns how many. @throws what the file system throws
 */
export async function retirePartitions(
  directory: string,
  paths: readonly string[],
  days: RetentionDays,
  now: number,
): Promise<number> {
  let removed = 0;
  for (const path of paths) {
    const partition = parsePartitionPath(path);
    if (partition === undefined || partition.hour + hourMs + days[partition.keep] * dayMs > now) continue;
    await rm(join(directory, path), { recursive: true, force: true });
    // The last one of its day.
    await rmdir(join(directory, dirname(path))).catch(() => undefined);
    removed += 1;
  }
  return removed;
}
