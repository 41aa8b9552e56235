import { close, closeSync, fdatasync, fdatasyncSync, fsync, open, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import type { FlowStream } from './chain.ts';
import { formatHead } from './head.ts';
import type { FlowHead } from './head.ts';
import { headName, segmentName } from './segment-names.ts';

/** The files of one worker's chain. All throw what the file system throws; the spool decides what that means. */
export interface Segments {
  readonly stream: FlowStream;
  readonly segment: number;
  /** Bytes in the current segment. */
  readonly size: number;
  /** Writes at the end, and says how much of it was taken. */
  write(bytes: Uint8Array): number;
  /** Starts the next segment. What the one before holds is synced on its own; `failed` hears if that does not work. */
  rotate(failed: (error: Error) => void): void;
  sync(done: (error: Error | null) => void): void;
  writeHead(head: FlowHead): void;
  /** Syncs and closes. */
  close(head: FlowHead | undefined): void;
}

const ownerOnly = 0o600;

/** Opens a chain that did not exist: a name that is taken belongs to an earlier worker, and its file is left alone. */
export function openSegments(directory: string, wanted: FlowStream): Segments {
  let stream = wanted;
  let segment = 1;
  let size = 0;
  let file: number | undefined;
  while (file === undefined) {
    try {
      file = openSync(join(directory, segmentName(stream, segment)), 'ax', ownerOnly);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      stream = { ...stream, startedAt: stream.startedAt + 1 };
    }
  }
  let current = file;
  const headFile = openSync(join(directory, headName(stream)), 'wx', ownerOnly);
  syncDirectory(directory);
  const sync = createSerialSync();
  return {
    stream,
    get segment() {
      return segment;
    },
    get size() {
      return size;
    },
    write(bytes) {
      const written = writeSync(current, bytes);
      size += written;
      return written;
    },
    rotate(failed) {
      const next = openSync(join(directory, segmentName(stream, segment + 1)), 'ax', ownerOnly);
      const previous = current;
      current = next;
      segment += 1;
      size = 0;
      sync(previous, (error) => {
        close(previous);
        if (error !== null) failed(error);
      });
      syncDirectory(directory);
    },
    sync: (done) => sync(current, done),
    writeHead: (head) => void writeSync(headFile, formatHead(head), 0, 'latin1'),
    close(head) {
      try {
        fdatasyncSync(current);
        if (head !== undefined) writeSync(headFile, formatHead(head), 0, 'latin1');
      } finally {
        closeSync(current);
        closeSync(headFile);
      }
    },
  };
}

/** One after the other: a file is not closed under a sync of it, and segments reach the disk in their order. */
function createSerialSync(): (file: number, done: (error: Error | null) => void) => void {
  const waiting: (() => void)[] = [];
  let isBusy = false;
  const next = (): void => {
    const run = waiting.shift();
    isBusy = run !== undefined;
    run?.();
  };
  return (file, done) => {
    waiting.push(() =>
      fdatasync(file, (error) => {
        done(error);
        next();
      }),
    );
    if (!isBusy) next();
  };
}

/** A new name is on disk only once its directory is. Best effort: not every file system can. */
function syncDirectory(directory: string): void {
  open(directory, 'r', (error, handle) => {
    if (error === null) fsync(handle, () => close(handle));
  });
}
