import { open, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FlowRecord } from '../frames/context.ts';
import { listSegments } from '../spool/list-segments.ts';
import { plainFile } from './plain-file.ts';
import { parseSegmentName, streamName } from '../spool/segment-names.ts';
import { createSegmentReader } from './segment-reader.ts';
import type { SegmentReader } from './segment-reader.ts';
import { watchDirectory } from './watch-directory.ts';

export interface TailOptions {
  /** Ends the tail; the iteration finishes without an error. */
  readonly signal: AbortSignal;
  /** Also what was recorded before; otherwise only what comes from now on. */
  readonly fromStart?: boolean;
}

const newline = 0x0a;
/** More than the longest line. */
const pieceBytes = 1024 * 1024;
/** Where the file system tells nothing (network mounts), and for what it forgot to tell. */
const lookAgainMs = 1000;

/**
 * Records of all workers as they are written, across segments and restarts. Those of one worker come in their order;
 * those of several are mixed as they arrive. A line that is not finished waits; one that is no record is passed over, since
 * `verifyFlows` is who judges.
 */
export async function* tailFlows(directory: string, options: TailOptions): AsyncIterable<FlowRecord> {
  const { signal, fromStart = false } = options;
  const offsets = new Map<string, number>();
  /** Of each chain, the one that was read last. */
  const readers = new Map<string, SegmentReader>();
  const readerOf = (name: string): SegmentReader => {
    const stream = parseSegmentName(name)?.stream;
    const key = stream === undefined ? name : streamName(stream);
    const known = readers.get(key);
    const path = join(directory, name);
    if (known?.path === path) return known;
    const reader = createSegmentReader(path);
    readers.set(key, reader);
    return reader;
  };
  // Watching starts before the first look: what is written in between is seen by one of them.
  const changes = awaitChanges(directory, signal);
  try {
    if (!fromStart)
      for (const name of await listSegments(directory)) {
        const path = join(directory, name);
        offsets.set(name, await endOfLastLine(path, (await stat(path)).size));
      }
    while (!signal.aborted) {
      for (const name of await listSegments(directory)) {
        const path = join(directory, name);
        for (;;) {
          const offset = offsets.get(name) ?? 0;
          if ((await stat(path)).size <= offset) break;
          const piece = await readerOf(name).pieceAt(offset, pieceBytes);
          if (piece.end === offset) break;
          offsets.set(name, piece.end);
          for (const { records = [] } of piece.lines)
            for (const { record } of records) {
              yield record;
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

/** Where a reader that came now would start: never in the middle of a line. */
async function endOfLastLine(path: string, size: number): Promise<number> {
  const file = await open(path, plainFile);
  try {
    const length = Math.min(size, pieceBytes);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
    const last = buffer.subarray(0, bytesRead).lastIndexOf(newline);
    return last === -1 ? size : size - length + last + 1;
  } finally {
    await file.close();
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
