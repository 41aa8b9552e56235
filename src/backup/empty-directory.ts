import { chmod, lchown, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { dataDirectory } from '../contract/data-directory.ts';
import { syncDirectory } from '../ledger/durable-file.ts';
import { BackupError } from './backup-error.ts';

const stagingName = '.restoring';

/** A data directory in the making: all or nothing of it comes to be. */
export interface Staging {
  /** Where to make it. */
  readonly path: string;
  /** Writes a file below it, durably. */
  write(path: string, bytes: Uint8Array, mode: number): Promise<void>;
  /** Gives all of it its place; FORMAT comes last, so that half of it is never taken for a whole. */
  finish(): Promise<void>;
  /** Removes all that was made. */
  abandon(): Promise<void>;
}

/** @throws BackupError for a directory with something in it, which is left as it is */
export async function stageInto(directory: string): Promise<Staging> {
  const entries = await readEntries(directory);
  if (entries !== undefined && entries.length > 0)
    throw new BackupError(
      'refused',
      `${directory} is not empty, and was left as it is: restore into another directory, or move this one away first`,
    );
  const isNew = entries === undefined;
  if (isNew) {
    await mkdir(directory, { recursive: true });
    await chmod(directory, 0o711);
  }
  const path = join(directory, stagingName);
  const moved: string[] = [];
  await mkdir(path, { mode: 0o700 });

  const makeFolders = async (file: string): Promise<void> => {
    const folders = file.split('/').slice(0, -1);
    for (let depth = 1; depth <= folders.length; depth += 1) {
      const folder = folders.slice(0, depth).join('/');
      await mkdir(join(path, folder), { mode: isSecret(folder) ? 0o700 : 0o755, recursive: true });
    }
  };
  return {
    path,
    async write(file, bytes, mode) {
      await makeFolders(file);
      const handle = await open(join(path, file), 'wx', isSecret(file) ? 0o600 : mode & 0o644);
      try {
        await handle.writeFile(bytes);
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
    async finish() {
      for (const records of [dataDirectory.flows, dataDirectory.accessLog])
        await mkdir(join(path, records), { mode: 0o700 });
      await giveToOwner(directory, path);
      const names = await readdir(path);
      for (const name of [...names.filter((name) => name !== dataDirectory.format), dataDirectory.format]) {
        await rename(join(path, name), join(directory, name));
        moved.push(name);
      }
      syncDirectory(directory);
      await rm(path, { recursive: true });
    },
    async abandon() {
      for (const name of [...moved, stagingName])
        await rm(join(directory, name), { recursive: true, force: true });
      if (isNew) await rm(directory, { recursive: true, force: true });
    },
  };
}

const isSecret = (path: string): boolean =>
  path === 'keys' || path.startsWith('keys/') || path.endsWith('.key');

async function readEntries(directory: string): Promise<string[] | undefined> {
  try {
    // A file system of its own has that in its root.
    return (await readdir(directory)).filter((name) => name !== 'lost+found');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Whoever the directory was made for reads and writes what is in it, also where root restores it. */
async function giveToOwner(directory: string, staging: string): Promise<void> {
  const { uid, gid } = await stat(directory);
  if (process.getuid?.() !== 0 || uid === 0) return;
  for (const name of await readdir(staging, { recursive: true })) await lchown(join(staging, name), uid, gid);
}
