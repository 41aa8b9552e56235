import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FileSinkSettings } from '../../contract/sinks.ts';
import { findIntruder } from './guarded-directory.ts';
import type { Sink } from './sink.ts';

/** Readable for a collector in its group. */
const fileMode = 0o640;
const lineFeed = 0x0a;

interface Open {
  readonly handle: FileHandle;
  readonly inode: number;
  /** Epoch milliseconds. */
  readonly since: number;
  size: number;
}

/**
 * A line a record at the end of a file, synced before it counts as delivered. A file that grew too large or old is
 * renamed to `NAME-TIME.EXTENSION`, and the next begun; one that somebody else moved away likewise.
 * @param isGuarded whether it must be where nobody else can write, which is looked at whenever a file is opened
 */
export function createFileSink(
  settings: FileSinkSettings,
  clock: () => number = Date.now,
  isGuarded = false,
): Sink {
  const { path, rotateMegabytes, rotateHours = Number.POSITIVE_INFINITY, keepFiles } = settings;
  let current: Open | undefined;

  async function close(): Promise<void> {
    const { handle } = current ?? {};
    current = undefined;
    await handle?.close();
  }

  async function openFile(): Promise<Open> {
    const found = await stat(path).catch(() => undefined);
    if (current !== undefined && found?.ino === current.inode) return current;
    await close();
    if (isGuarded) await checkDirectory(dirname(path));
    const handle = await open(path, 'a+', fileMode);
    try {
      const { ino, birthtimeMs, uid } = await handle.stat();
      if (isGuarded && uid !== process.getuid?.())
        throw new Error(`${path} belongs to user ${uid}: move it away`);
      // Whatever the server's umask, which keeps its other files from everybody.
      if (found === undefined) await handle.chmod(fileMode);
      const size = await cutUnfinished(handle);
      await syncDirectory(dirname(path));
      current = { handle, inode: ino, since: size === 0 ? clock() : birthtimeMs, size };
      return current;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async function rotate(): Promise<void> {
    const { name, extension } = splitName(path);
    const time = new Date(clock()).toISOString().replaceAll(':', '-');
    await close();
    await rename(path, join(dirname(path), `${name}-${time}${extension}`));
    await syncDirectory(dirname(path));
    if (keepFiles === undefined) return;
    const pattern = /^-\d{4}-\d{2}-\d{2}T\d{2}-\d{2}-\d{2}\.\d{3}Z$/;
    const old = (await readdir(dirname(path)))
      .filter(
        (file) =>
          file.startsWith(name) &&
          file.endsWith(extension) &&
          pattern.test(file.slice(name.length, file.length - extension.length)),
      )
      .toSorted();
    for (const file of old.slice(0, Math.max(0, old.length - keepFiles)))
      await rm(join(dirname(path), file), { force: true });
  }

  return {
    maxUnacknowledged: 1,
    async send(batch) {
      let file = await openFile();
      const isLarge = file.size >= rotateMegabytes * 1024 * 1024;
      const isOld = clock() - file.since >= rotateHours * 3_600_000;
      if (file.size > 0 && (isLarge || isOld)) {
        await rotate();
        file = await openFile();
      }
      const bytes = Buffer.from(batch.map(({ text }) => `${text}\n`).join(''));
      try {
        await file.handle.appendFile(bytes);
        await file.handle.datasync();
      } catch (error) {
        // The next attempt cuts off what this one left.
        await close().catch(() => undefined);
        throw error;
      }
      file.size += bytes.length;
      return {};
    },
    close: () => close().catch(() => undefined),
  };
}

async function checkDirectory(directory: string): Promise<void> {
  const intruder = await findIntruder(directory);
  if (intruder !== undefined)
    throw new Error(
      `${intruder}: give the access log a file of its own in a directory of the server's user, by a sink with records: access`,
    );
}

/** What a kill left of a last line is not acknowledged and comes again. @returns the bytes that remain */
async function cutUnfinished(handle: FileHandle): Promise<number> {
  const { size } = await handle.stat();
  const piece = Buffer.alloc(64 * 1024);
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - piece.length);
    const { bytesRead } = await handle.read(piece, 0, end - start, start);
    const last = piece.subarray(0, bytesRead).lastIndexOf(lineFeed);
    if (last !== -1) {
      if (start + last + 1 < size) await handle.truncate(start + last + 1);
      return start + last + 1;
    }
    end = start;
  }
  if (size > 0) await handle.truncate(0);
  return 0;
}

function splitName(path: string): { name: string; extension: string } {
  const file = basename(path);
  const dot = file.lastIndexOf('.');
  return dot <= 0 ? { name: file, extension: '' } : { name: file.slice(0, dot), extension: file.slice(dot) };
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
