import {
  closeSync,
  constants,
  fchmodSync,
  fsyncSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { randomBytes } from 'node:crypto';
import { dirname, join } from 'node:path';
import { AgentError, describeError } from '../agent-error.ts';

export interface FileToWrite {
  readonly path: string;
  readonly content: string;
  /** For its owner alone without it. */
  readonly mode?: 0o644;
}

/** Makes renames in a directory last through a power cut. */
export function syncDirectory(path: string): void {
  const handle = openSync(path, constants.O_RDONLY);
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function writeNew(path: string, content: string, mode: 0o644 | undefined): void {
  // O_EXCL and O_NOFOLLOW: never through a link or into a file that someone laid there.
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const handle = openSync(path, flags, 0o600);
  try {
    if (mode !== undefined) fchmodSync(handle, mode);
    // All of it: on a disk that is nearly full, one write(2) may take a part and say so without an error.
    writeFileSync(handle, content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/**
 * Writes files of one directory, with mode 0600 where none is given, each seen whole or not at all. All contents are on
 * disk before the first file takes its name, so that a full disk leaves what was there before. The last one may serve
 * as a mark that the others are there.
 */
export function writeFilesAtomically(files: readonly FileToWrite[]): void {
  const suffix = randomBytes(6).toString('hex');
  const staged = files.map((file) => ({ ...file, temporary: `${file.path}.${suffix}.tmp` }));
  try {
    for (const file of staged) writeNew(file.temporary, file.content, file.mode);
    for (const file of staged) renameSync(file.temporary, file.path);
  } catch (error) {
    for (const file of staged) rmSync(file.temporary, { force: true });
    throw error;
  }
  for (const directory of new Set(files.map((file) => dirname(join(file.path))))) syncDirectory(directory);
}

/** The same, for a person: a disk that is full or cannot be written is said so, with the directory. @throws AgentError */
export function writeStateFiles(directory: string, files: readonly FileToWrite[]): void {
  try {
    writeFilesAtomically(files);
  } catch (error) {
    throw stateUnwritable(directory, error);
  }
}

/** More than what an enrollment writes: four files, of which none reaches this. */
const roomForEach = 8192;

/**
 * Whether an enrollment could be written: tried for real, and taken away again. Asked before a token is spent that serves
 * once. @throws AgentError
 */
export function checkRoom(directory: string): void {
  const suffix = randomBytes(6).toString('hex');
  const trials = [0, 1, 2, 3].map((each) => join(directory, `room-${each}.${suffix}.tmp`));
  try {
    for (const trial of trials) writeNew(trial, ' '.repeat(roomForEach), undefined);
  } catch (error) {
    throw stateUnwritable(directory, error);
  } finally {
    for (const trial of trials) rmSync(trial, { force: true });
  }
}

const fullCodes = new Set(['ENOSPC', 'EDQUOT', 'EIO']);

/** A disk that is full or failing may do better soon, and a service is started again then; a directory that is wrong stays wrong. */
export const stateUnwritable = (directory: string, error: unknown): AgentError =>
  new AgentError(
    fullCodes.has((error as NodeJS.ErrnoException).code ?? '') ? 1 : 2,
    'state-unwritable',
    { directory, reason: describeError(error) },
    error,
  );
