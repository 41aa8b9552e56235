import { closeSync, constants, fstatSync, lstatSync, openSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { parseNamesRequest } from './names-request.ts';
import type { NamesRequest } from './names-request.ts';

const maxBytes = 2 * 1024 * 1024;
/** Node shows no owners on Windows: there the access list of the directory, which the installer sets, has to do. */
const othersMayWrite = process.platform === 'win32' ? 0 : 0o022;

/**
 * The agent's request; undefined where there is none, which asks for everything to be undone. Root reads it, so nobody
 * but the user to whom root gave the directory may have written it: everything above that directory is root's alone, the
 * directory and the file belong to the same user, others can write to neither, and neither is a link (CVE-2020-24356).
 * @throws where that is not so, or the file is no request.
 */
export function readRequest(path: string): NamesRequest | undefined {
  const directory = dirname(path);
  for (let part = dirname(directory); ; part = dirname(part)) {
    const found = lstatSync(part);
    if (found.uid !== 0 || (found.mode & othersMayWrite) !== 0)
      throw new Error(`${part} is not root's alone`);
    if (part === dirname(part)) break;
  }
  const place = lstatSync(directory, { throwIfNoEntry: false });
  if (place === undefined) return undefined;
  if (!place.isDirectory() || (place.mode & othersMayWrite) !== 0)
    throw new Error(`${directory} is not its owner's alone`);
  let handle: number;
  try {
    handle = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const found = fstatSync(handle);
    if (!found.isFile() || found.size > maxBytes) throw new Error(`${path} is no request`);
    if (found.uid !== place.uid || (found.mode & othersMayWrite) !== 0)
      throw new Error(`${path} is not of the owner of its directory`);
    return parseNamesRequest(readFileSync(handle, 'utf8'));
  } finally {
    closeSync(handle);
  }
}
