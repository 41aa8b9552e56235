import { open, readdir, realpath } from 'node:fs/promises';
import { join } from 'node:path';

const maxBytes = 1024 * 1024;

/** Files of the operating system by absolute path. A test may lay them out under another root. */
export interface SystemFiles {
  /** Undefined where there is none. Throws for one that may not be read. */
  read(path: string): Promise<Buffer | undefined>;
  /** Names in a directory; undefined where there is none. */
  list(path: string): Promise<readonly string[] | undefined>;
  /** The path with all links resolved; undefined where it leads nowhere. */
  resolve(path: string): Promise<string | undefined>;
}

const isMissing = (error: unknown): boolean => {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return code === 'ENOENT' || code === 'ENOTDIR';
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
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.alloc(maxBytes);
    let length = 0;
    for (;;) {
      const { bytesRead } = await file.read(buffer, length, maxBytes - length, null);
      if (bytesRead === 0) return Buffer.from(buffer.subarray(0, length));
      length += bytesRead;
      if (length === maxBytes) throw new Error('file too large');
    }
  } finally {
    await file.close();
  }
}

export function createSystemFiles(root = '/'): SystemFiles {
  return {
    read: (path) => orUndefined(readBounded(join(root, path))),
    list: (path) => orUndefined(readdir(join(root, path))),
    resolve: async (path) => {
      const found = await orUndefined(realpath(join(root, path)));
      if (found === undefined || root === '/') return found;
      return found.startsWith(root) ? join('/', found.slice(root.length)) : undefined;
    },
  };
}
