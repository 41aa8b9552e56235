import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSegmentName } from './segment-names.ts';
import { watchDirectory } from './watch-directory.ts';

export interface TailOptions {
  /** Ends the tail; the iteration finishes without an error. */
  readonly signal: AbortSignal;
  /** Also what was recorded before; otherwise only what comes from now on. */
  readonly fromStart?: boolean;
}

/** A record as it was parsed: an object of OCSF, see schema.ts. Not verified. */
export type TailedRecord = Readonly<Record<string, unknown>>;

const newline = 0x0a;
/** More than the longest record. */
const pieceBytes = 1024 * 1024;
/** Where the file system tells nothing (network mounts), and for what it forgot to tell. */
const lookAgainMs = 1000;

/**
 * Records of all workers as they are written, across segments and restarts. Those of one worker come in their order;
 * those of several are mixed as they arrive. A line that is not finished waits; one that is no JSON is passed over, since
 * `verifyFlows` is who judges.
 */
export async function* tailFlows(directory: string, options: TailOptions): AsyncIterable<TailedRecord> {
  const { signal, fromStart = false } = options;
  const offsets = new Map<string, number>();
  // Watching starts before the first look: what is written in between is seen by one of them.
  const changes = awaitChanges(directory, signal);
  try {
    if (!fromStart)
      for (const name of await segmentNames(directory)) {
        const path = join(directory, name);
        offsets.set(name, await endOfLastLine(path, (await stat(path)).size));
      }
    while (!signal.aborted) {
      for (const name of await segmentNames(directory)) {
        const path = join(directory, name);
        for (;;) {
          const { lines, end } = await readLinesAt(path, offsets.get(name) ?? 0);
          if (lines.length === 0) break;
          offsets.set(name, end);
          for (const line of lines) {
            const record = parseRecord(line);
            if (record !== undefined) yield record;
            if (signal.aborted) return;
          }
        }
      }
      await changes.next();
    }
  } finally {
    changes.close();
  }
}

const segmentNames = async (directory: string): Promise<string[]> =>
  (await readdir(directory)).filter((name) => parseSegmentName(name) !== undefined).toSorted();

/** Where a reader that came now would start: never in the middle of a line. */
async function endOfLastLine(path: string, size: number): Promise<number> {
  const file = await open(path, 'r');
  try {
    const length = Math.min(size, 64 * 1024);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const last = buffer.subarray(0, bytesRead).lastIndexOf(newline);
    return last === -1 ? size : size - length + last + 1;
  } finally {
    await file.close();
  }
}

/**
 * The whole lines at an offset, as many as fit a piece. The file is closed before anyone sees them: a reader that stops in
 * between, or is just forgotten, leaves nothing open.
 */
async function readLinesAt(path: string, offset: number): Promise<{ lines: string[]; end: number }> {
  const { size } = await stat(path);
  if (size <= offset) return { lines: [], end: offset };
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(Math.min(size - offset, pieceBytes));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    const end = buffer.subarray(0, bytesRead).lastIndexOf(newline);
    return end === -1
      ? { lines: [], end: offset }
      : { lines: buffer.toString('utf8', 0, end).split('\n'), end: offset + end + 1 };
  } finally {
    await file.close();
  }
}

function parseRecord(line: string): TailedRecord | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return value !== null && typeof value === 'object' && !Array.isArray(value)
      ? (value as TailedRecord)
      : undefined;
  } catch {
    return undefined;
  }
}

/** Resolves when something may have changed since the last time it did. */
function awaitChanges(directory: string, signal: AbortSignal): { next(): Promise<void>; close(): void } {
  let hasChanged = false;
  let wake: (() => void) | undefined;
  const notice = (): void => {
    hasChanged = true;
    wake?.();
  };
  const watching = watchDirectory(directory, notice, { ms: lookAgainMs, unwatchedMs: lookAgainMs });
  signal.addEventListener('abort', notice);
  return {
    async next() {
      if (!hasChanged) await new Promise<void>((resolve) => (wake = resolve));
      hasChanged = false;
      wake = undefined;
    },
    close() {
      watching.close();
      signal.removeEventListener('abort', notice);
    },
  };
}
