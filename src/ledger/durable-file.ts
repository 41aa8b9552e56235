import { closeSync, createWriteStream, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

/**
 * Replaces a small file, by one of mode 0600 unless told otherwise: whoever reads it, even after a power cut, finds the old bytes or the new,
 * never a mixture. Two processes may do this to one file at once.
 */
export function replaceFile(path: string, bytes: Uint8Array, mode = 0o600): void {
  const temporary = `${path}.${process.pid}.tmp`;
  // Nothing is written through a link: the directory may be that of a user with fewer rights.
  rmSync(temporary, { force: true });
  const file = openSync(temporary, 'wx', mode);
  try {
    for (let written = 0; written < bytes.length; ) written += writeSync(file, bytes, written);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(temporary, path);
  syncDirectory(dirname(path));
}

/** The same for a file of any size, of text that is not held as a whole. Where the text throws, the old file stays. */
export async function replaceFileByPieces(path: string, pieces: AsyncIterable<string>): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  rmSync(temporary, { force: true });
  try {
    // `flush`: synced before it is closed.
    await pipeline(
      Readable.from(pieces),
      createWriteStream(temporary, { flags: 'wx', mode: 0o600, flush: true }),
    );
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
  renameSync(temporary, path);
  syncDirectory(dirname(path));
}

/** Makes a creation or rename in a directory last. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
