import { readdirSync, statfsSync, statSync } from 'node:fs';
import { readdir, stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSegmentName, streamName } from './segment-names.ts';

/** How much room records may take: of all workers together, and of what the disk has. */
export interface SpaceBounds {
  /** Of all record files in the directory; without it, what the disk has. */
  readonly maxBytes: number | undefined;
  /** What is to stay free on the disk, for what must be recorded when nothing new is let in any more. */
  readonly minFreeBytes: number;
}

/** Whether there is room for the records of new flows. */
export interface SpaceWatch {
  readonly isFull: boolean;
  /** Of all record files when it was last looked, and what was written here since. */
  readonly bytes: number;
  readonly freeBytes: number;
  /** Written here since the last call. */
  wrote(bytes: number): void;
  /** Looks again. Never rejects. */
  look(): Promise<void>;
  close(): void;
}

const everyMs = 2000;
/** So much below the bound there is room again: not one record in and one out. */
const roomAgain = 0.98;

/** Counts the record files of a directory now and then; while nothing is written here, only to see whether room was made. */
export function watchSpace(directory: string, { maxBytes, minFreeBytes }: SpaceBounds): SpaceWatch {
  /** Sizes of files that are not written to any more, which is nearly all of them. */
  const sealed = new Map<string, number>();
  let bytes = 0;
  let freeBytes = 0;
  let since = 0;
  let isFull = false;

  const judge = (): void => {
    const most = maxBytes ?? Number.POSITIVE_INFINITY;
    const used = bytes + since;
    const free = freeBytes - since;
    if (used >= most || free <= minFreeBytes) isFull = true;
    else if (used < most * roomAgain && free * roomAgain > minFreeBytes) isFull = false;
  };
  const take = (found: { bytes: number; freeBytes: number }): void => {
    ({ bytes, freeBytes } = found);
    since = 0;
    judge();
  };
  take({
    bytes: recordNames(readdirSync(directory)).reduce(
      (sum, { name }) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0),
      0,
    ),
    freeBytes: freeOf(statfsSync(directory)),
  });

  const look = async (): Promise<void> => {
    try {
      let sum = 0;
      const names = recordNames(await readdir(directory));
      for (const { name, isLast } of names) {
        const known = sealed.get(name);
        const size = known ?? (await stat(join(directory, name)).catch(() => ({ size: 0 }))).size;
        if (!isLast) sealed.set(name, size);
        sum += size;
      }
      if (sealed.size > names.length) sealed.clear();
      take({ bytes: sum, freeBytes: freeOf(await statfs(directory)) });
    } catch {
      // Whether it can be written is for the spool to find out.
    }
  };
  let isLooking = false;
  const timer = setInterval(() => {
    if ((since === 0 && !isFull) || isLooking) return;
    isLooking = true;
    void look().finally(() => (isLooking = false));
  }, everyMs).unref();

  return {
    get isFull() {
      return isFull;
    },
    get bytes() {
      return bytes + since;
    },
    get freeBytes() {
      return Math.max(0, freeBytes - since);
    },
    wrote(more) {
      since += more;
      if (!isFull) judge();
    },
    look,
    close: () => clearInterval(timer),
  };
}

const freeOf = ({ bavail, bsize }: { readonly bavail: number; readonly bsize: number }): number =>
  bavail * bsize;

/** Segments, and whether each is the last of its chain. */
function recordNames(names: readonly string[]): { readonly name: string; readonly isLast: boolean }[] {
  const last = new Map<string, string>();
  const segments = names.toSorted().flatMap((name) => {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) return [];
    const stream = streamName(parsed.stream);
    last.set(stream, name);
    return [{ name, stream }];
  });
  return segments.map(({ name, stream }) => ({ name, isLast: last.get(stream) === name }));
}
