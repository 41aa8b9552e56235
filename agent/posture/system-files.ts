import { constants, open, readdir, realpath, stat } from 'node:fs/promises';
import { join } from 'node:path';

const maxBytes = 1024 * 1024;
const firstBytes = 16 * 1024;

export interface FileFacts {
  /** Which file it is, by whatever name. */
  readonly identity: string;
  /** Epoch milliseconds. */
  readonly modifiedAt: number;
  readonly uid: number;
  readonly isRoots: boolean;
  /** Whether anybody but its owner may write it. */
  readonly isShared: boolean;
}

/** Files of the operating system by absolute path. A test may lay them out under another root. */
export interface SystemFiles {
  /** Undefined where there is none. Throws for one that may not be read. */
  read(path: string): Promise<Buffer | undefined>;
  /** Names in a directory; undefined where there is none. */
  list(path: string): Promise<readonly string[] | undefined>;
  /** What is said of a file without reading it. */
  stat(path: string): Promise<FileFacts | undefined>;
  /** The path with all links resolved; undefined where it leads nowhere. */
  resolve(path: string): Promise<string | undefined>;
}

const isMissing = (error: unknown): boolean => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  // ESRCH: a process that ended while it was looked at.
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ESRCH';
};

async function orUndefined<T>(action: Promise<T>): Promise<T | undefined> {
  try {
    return await action;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Files of /proc and /sys have no size beforehand, so the bound is on what is read. */
async function readBounded(path: string): Promise<Buffer> {
  // A pipe that a user laid among their own settings is no reason for root to wait.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    // Nearly all are small, and some are read every few seconds.
    let buffer = Buffer.allocUnsafe(firstBytes);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, buffer.length - length, null);
      if (bytesRead === 0) return Buffer.from(buffer.subarray(0, length));
      length += bytesRead;
      if (length === maxBytes) throw new Error('file too large');
      if (length === buffer.length) buffer = Buffer.concat([buffer], Math.min(maxBytes, 4 * buffer.length));
    }
  } finally {
    await file.close();
  }
}

/** `rootUid`: who stands for root in a system that a test laid out. */
export function createSystemFiles(root = '/', rootUid = 0): SystemFiles {
  return {
    read: (path) => orUndefined(readBounded(join(root, path))),
    list: (path) => orUndefined(readdir(join(root, path))),
    stat: async (path) => {
      const found = await orUndefined(stat(join(root, path)));
      if (found === undefined) return undefined;
      return {
        identity: `${found.dev}:${found.ino}`,
        modifiedAt: found.mtimeMs,
        uid: found.uid,
        isRoots: found.uid === rootUid,
        isShared: (found.mode & 0o022) !== 0,
      };
    },
    resolve: async (path) => {
      const found = await orUndefined(realpath(join(root, path)));
      if (found === undefined || root === '/') return found;
      return found.startsWith(root) ? join('/', found.slice(root.length)) : undefined;
    },
  };
}

/** When each was last changed, as text to compare. What may not be looked at counts as one state. */
export async function glanceAt(files: SystemFiles, paths: readonly string[]): Promise<string> {
  const seen = await Promise.all(
    paths.map(async (path) => {
      try {
        const found = await files.stat(path);
        return found === undefined ? '-' : `${found.identity}@${found.modifiedAt}`;
      } catch {
        return '?';
      }
    }),
  );
  return seen.join(' ');
}
