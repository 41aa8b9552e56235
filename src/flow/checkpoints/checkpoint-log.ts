import { closeSync, existsSync, fdatasyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyObject } from 'node:crypto';
import { syncDirectory } from '../../ledger/durable-file.ts';
import {
  checkpointFileName,
  checkpointHash,
  firstPrevious,
  keyIdOf,
  parseCheckpoint,
  parseCheckpointFileName,
  signCheckpoint,
} from './checkpoint.ts';
import type { CheckpointedRecords, StreamMark } from './checkpoint.ts';

export interface CheckpointLogOptions {
  /** Where no worker may write; made where it is not there. */
  readonly directory: string;
  readonly records: CheckpointedRecords;
  /** P-256. */
  readonly privateKey: KeyObject;
  /** How long one file is written to. */
  readonly fileMs?: number;
}

/** The checkpoints of one directory of records, as the process that signs them appends to them. */
export interface CheckpointLog {
  /** The last mark of each chain that there still is something of, by its name. */
  readonly marks: ReadonlyMap<string, StreamMark>;
  /** Signs what became of some chains, and returns when the disk has it. `at` in epoch milliseconds. @throws what the file system throws */
  append(changed: readonly StreamMark[], at: number): void;
  /** Removes files in which all was signed before a time, in epoch milliseconds. @returns how many */
  retire(before: number, at: number): Promise<number>;
  close(): void;
}

const dayMs = 86_400_000;

/**
 * Goes on where an earlier process stopped, in a new file: what lies there is never written to again, so that a line which
 * a power cut tore stays what it is. @throws what the file system throws
 */
export async function openCheckpointLog(options: CheckpointLogOptions): Promise<CheckpointLog> {
  const { directory, records, privateKey, fileMs = dayMs } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const key = keyIdOf(privateKey);
  let files = await filesOf(directory, records);
  const marks = new Map<string, StreamMark>();
  let last = { number: 0, hash: firstPrevious };
  let oldest = 1;
  for (const name of files.slice(-2)) {
    for (const line of linesOf(join(directory, name))) {
      const checkpoint = parseCheckpoint(line);
      if (checkpoint === undefined) continue;
      if (checkpoint.full) marks.clear();
      for (const mark of checkpoint.streams) marks.set(mark.stream, mark);
      last = { number: checkpoint.number, hash: checkpointHash(line) };
      oldest = checkpoint.oldest;
    }
  }
  let file: { readonly handle: number; readonly since: number } | undefined;

  function begin(at: number): number {
    close();
    const name = checkpointFileName(records, last.number + 1);
    const path = join(directory, name);
    const handle = openNew(path);
    file = { handle, since: at };
    files = [...files.filter((other) => other !== name), name];
    syncDirectory(directory);
    return handle;
  }

  function close(): void {
    if (file !== undefined) closeSync(file.handle);
    file = undefined;
  }

  function write(handle: number, line: string): void {
    const bytes = Buffer.from(`${line}\n`);
    try {
      for (let written = 0; written < bytes.length; ) written += writeSync(handle, bytes, written);
      fdatasyncSync(handle);
    } catch (error) {
      // Part of a line may be there: what is signed next goes into another file.
      close();
      throw error;
    }
  }

  function append(changed: readonly StreamMark[], at: number): void {
    for (const mark of changed) marks.set(mark.stream, mark);
    const isNew = file === undefined || at - file.since >= fileMs || at < file.since;
    const handle = isNew || file === undefined ? begin(at) : file.handle;
    const line = signCheckpoint(
      {
        version: 1,
        records,
        number: last.number + 1,
        at,
        oldest,
        previous: last.hash,
        key,
        full: isNew,
        streams: isNew ? [...marks.values()] : [...changed],
      },
      privateKey,
    );
    write(handle, line);
    last = { number: last.number + 1, hash: checkpointHash(line) };
    if (!isNew) return;
    // Said for the last time at the beginning of this file: nothing of it is left.
    for (const [name, { ended, sequence, retired }] of marks)
      if (ended && retired !== undefined && retired.sequence >= sequence && retired.kept === undefined)
        marks.delete(name);
  }

  return {
    marks,
    append,
    async retire(before, at) {
      const old: string[] = [];
      for (const [index, name] of files.entries()) {
        const next = files[index + 1];
        // The file that is written stays, and so does the last of those before the time.
        if (next === undefined || (firstTimeOf(join(directory, next)) ?? before) >= before) break;
        old.push(name);
      }
      const kept = files[old.length];
      if (old.length === 0 || kept === undefined) return 0;
      oldest = parseCheckpointFileName(kept)?.first ?? oldest;
      append([], at);
      for (const name of old) await rm(join(directory, name), { force: true });
      files = files.slice(old.length);
      return old.length;
    },
    close,
  };
}

/** One of this name in which there is no whole line was begun and not finished: nobody was told of it. */
function openNew(path: string): number {
  try {
    return openSync(path, 'ax', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || linesOf(path).length > 0) throw error;
    rmSync(path);
    return openSync(path, 'ax', 0o600);
  }
}

/** None where the directory is not there. */
export async function filesOf(directory: string, records: CheckpointedRecords): Promise<string[]> {
  const names = existsSync(directory) ? await readdir(directory) : [];
  return names.filter((name) => parseCheckpointFileName(name)?.records === records).toSorted();
}

/** Whole lines; what a power cut left of a last one is none. */
const linesOf = (path: string): string[] => readFileSync(path, 'utf8').split('\n').slice(0, -1);

const firstTimeOf = (path: string): number | undefined => parseCheckpoint(linesOf(path)[0] ?? '')?.at;
