import { closeSync, fsyncSync, openSync, readFileSync, rmSync, statSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { dataDirectory, dataFormat } from '../../contract/data-directory.ts';

/** The data directory cannot be used. `message` says what is wrong and what to do. */
export class DataDirectoryError extends Error {
  override readonly name = 'DataDirectoryError';
}

const hints: Readonly<Record<string, string>> = {
  EACCES: 'no permission; run as the user that owns it',
  EPERM: 'no permission; run as the user that owns it',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  ENOENT: 'there is no such directory; make one with `postern init --data DIR`',
  ENOTDIR: 'not a directory',
};

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);

/** Where `data` of the settings file lies. */
export const dataPathOf = (configFile: string, data: string): string =>
  resolve(dirname(resolve(configFile)), data);

/**
 * Looks whether a directory is one of `postern init`, of the format of this version, and can be written, before
 * anything is served from it. Nothing is converted or repaired. @throws DataDirectoryError
 */
export function checkDataDirectory(directory: string): void {
  checkFormat(directory);
  const probe = join(directory, `.write-probe-${process.pid}`);
  try {
    const file = openSync(probe, 'w', 0o600);
    try {
      // A full disk lets an empty file be made; it shows with the first block that has to be found.
      writeSync(file, Buffer.alloc(16_384, 1));
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    const code = codeOf(error);
    throw new DataDirectoryError(`data directory ${directory} cannot be written: ${hints[code] ?? code}`, {
      cause: error,
    });
  } finally {
    rmSync(probe, { force: true });
  }
}

/** Looks whether a directory is one of `postern init`, of the format of this version. @throws DataDirectoryError */
export function checkFormat(directory: string): void {
  let format: string;
  try {
    if (!statSync(directory).isDirectory()) throw Object.assign(new Error(), { code: 'ENOTDIR' });
    format = readFileSync(join(directory, dataDirectory.format), 'utf8').trim();
  } catch (error) {
    const code = codeOf(error);
    const isForeign = code === 'ENOENT' && isDirectory(directory);
    throw new DataDirectoryError(
      isForeign
        ? `${directory} is not a data directory of postern: it has no ${dataDirectory.format}; make one with \`postern init --data DIR\``
        : `data directory ${directory} cannot be read: ${hints[code] ?? code}`,
      { cause: error },
    );
  }
  if (format !== dataFormat)
    throw new DataDirectoryError(
      `data directory ${directory} has the format ${JSON.stringify(format.slice(0, 40))}, and this version of postern reads ${dataFormat} only; start the version that made it, or restore a backup`,
    );
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}
