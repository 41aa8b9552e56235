import { constants } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { dataDirectory } from '../contract/data-directory.ts';
import { isMemberPath, maxMemberBytes } from './archive-format.ts';

export interface CollectedFile {
  /** Below the data directory, with `/`. */
  readonly path: string;
  readonly mode: number;
  readonly bytes: Buffer;
}

export interface Collected {
  readonly files: readonly CollectedFile[];
  /** What lies in the directory and is not taken along, each as `PATH: why`. */
  readonly leftOut: readonly string[];
}

/**
 * The files of a data directory, but for ledger, records (of flows and of reads) with what is kept of them and their checkpoints, and what the server makes anew. All others are taken,
 * whoever put them there: settings may name them.
 */
export async function collectFiles(directory: string): Promise<Collected> {
  const files: CollectedFile[] = [];
  const leftOut: string[] = [];
  let total = 0;
  const visit = async (folder: string): Promise<void> => {
    const entries = await readdir(join(directory, folder), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (isMadeAnew(path)) continue;
      if (!isMemberPath(path)) leftOut.push(`${path}: not a name that a backup takes`);
      else if (entry.isDirectory()) await visit(path);
      // A link could lead to what is not ours to give away, and would lead elsewhere on another machine.
      else if (!entry.isFile()) leftOut.push(`${path}: not a plain file`);
      else {
        const file = await readPlainFile(join(directory, path), maxMemberBytes - total);
        if (file === undefined) continue;
        if (file === 'too large') leftOut.push(`${path}: too large for settings, keys and certificates`);
        else {
          total += file.bytes.length;
          files.push({ path, ...file });
        }
      }
    }
  };
  await visit('');
  return { files, leftOut };
}

const isMadeAnew = (path: string): boolean =>
  path === dataDirectory.flows ||
  path === dataDirectory.keptRecords ||
  path === dataDirectory.accessLog ||
  path === dataDirectory.checkpoints ||
  path.startsWith(dataDirectory.replica) ||
  path === 'lost+found' ||
  path === dataDirectory.lastBackup ||
  path.startsWith(dataDirectory.ledger) ||
  path.startsWith(dataDirectory.replica) ||
  path.startsWith('.write-probe-') ||
  path.endsWith('.tmp');

async function readPlainFile(
  path: string,
  maxBytes: number,
): Promise<{ readonly mode: number; readonly bytes: Buffer } | 'too large' | undefined> {
  let file;
  try {
    file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    // A signing key that was retired between the look and the reading.
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { mode, size } = await file.stat();
    if (size > maxBytes) return 'too large';
    return { mode: mode & 0o777, bytes: await file.readFile() };
  } finally {
    await file.close();
  }
}
