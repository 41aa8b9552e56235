import { existsSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { syncDirectory } from '../../ledger/durable-file.ts';
import type { ArchiveStore } from './archive-store.ts';
import type { RetentionDays } from '../retention.ts';
import { listNames } from './list-names.ts';
import { mergePartition } from './merge-partition.ts';
import { retirePartitions } from './retire-partitions.ts';
import { hourMs, parsePartitionPath } from './partition.ts';

export interface LocalStoreParts {
  readonly directory: string;
  /** In the same file system. */
  readonly stagingDirectory: string;
  readonly memoryMegabytes: number;
  /** How long records are kept. */
  readonly days: RetentionDays;
  readonly onTrouble: (error: unknown) => void;
  readonly clock?: () => number;
}

/** How long after its end an hour is merged into few files: what is delivered by then is in them at once. */
const settledMs = 120_000;

/** An archive in a directory of this machine. Small files of hours that are over are merged, and what has had its time goes. */
export function createLocalStore(parts: LocalStoreParts): ArchiveStore {
  const { directory, clock = Date.now } = parts;
  /** That may have more files than need be; all that are there, until they were looked at. */
  let unmerged: Set<string> | undefined;
  let retiredAt = Number.NEGATIVE_INFINITY;
  let merging: Promise<void> | undefined;
  let isClosing = false;

  async function retire(): Promise<void> {
    if (clock() - retiredAt < hourMs && clock() >= retiredAt) return;
    retiredAt = clock();
    await retirePartitions(directory, await listPartitions(directory), parts.days, retiredAt);
  }

  async function mergeAll(): Promise<void> {
    await retire();
    unmerged ??= new Set(await listPartitions(directory));
    for (const path of [...unmerged]) {
      const partition = parsePartitionPath(path);
      if (isClosing) return;
      if (partition !== undefined && clock() < partition.hour + hourMs + settledMs) continue;
      unmerged.delete(path);
      if (partition !== undefined && existsSync(join(directory, path)))
        await mergePartition({ ...parts, path });
    }
  }

  return {
    async publish({ name }, staged) {
      const path = join(directory, name);
      // Each folder that is new is made to last, from the top down.
      const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await rename(staged, path);
      for (let at = dirname(path); ; at = dirname(at)) {
        syncDirectory(at);
        if (made === undefined || at === directory || at === dirname(made)) break;
      }
    },
    published(files) {
      for (const { name } of files) unmerged?.add(dirname(name));
      merging ??= mergeAll()
        .catch(parts.onTrouble)
        .finally(() => (merging = undefined));
    },
    async close() {
      isClosing = true;
      await merging;
    },
  };
}

/** Paths of all partitions of an archive; none where it is not there. */
export async function listPartitions(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const keep of await listNames(directory))
    for (const date of await listNames(join(directory, keep)))
      for (const hour of await listNames(join(directory, keep, date))) {
        const path = `${keep}/${date}/${hour}`;
        if (parsePartitionPath(path) !== undefined) found.push(path);
      }
  return found;
}
