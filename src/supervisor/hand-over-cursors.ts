import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openCursorFile } from '../flow/shipper/cursor-file.ts';
import type { Positions } from '../flow/shipper/position.ts';
import { positionsOf } from '../flow/shipper/record-kinds.ts';

export interface CursorPlaces {
  readonly sinkDirectory: string;
  readonly accessSinkDirectory: string;
  /** Of the sinks. */
  readonly names: readonly string[];
}

/**
 * When the access log is to be delivered by a process of its own: it goes on where the one that did both was. What lies in
 * `sinkDirectory` is believed only while it is still ours; once it is the workers' user's, that user could have the access log
 * pass for delivered. @throws what the file system throws
 */
export async function splitCursors({
  sinkDirectory,
  accessSinkDirectory,
  names,
}: CursorPlaces): Promise<void> {
  const owner = await ownerOf(sinkDirectory);
  if (owner === undefined || owner !== process.getuid?.()) return;
  for (const name of names) {
    const own = openCursorFile(join(accessSinkDirectory, `${name}.cursor`));
    if ((await own.load()) !== undefined) continue;
    const both = await openCursorFile(join(sinkDirectory, `${name}.cursor`)).load();
    if (both !== undefined && both !== 'unusable') await own.save(positionsOf(both, 'access'));
  }
}

/** When one process does both again: where the other was is where it goes on. @throws what the file system throws */
export async function joinCursors({
  sinkDirectory,
  accessSinkDirectory,
  names,
}: CursorPlaces): Promise<void> {
  for (const name of names) {
    const path = join(accessSinkDirectory, `${name}.cursor`);
    const access = known(await openCursorFile(path).load());
    if (access === undefined) continue;
    const both = openCursorFile(join(sinkDirectory, `${name}.cursor`));
    const flows = positionsOf(known(await both.load()) ?? new Map(), 'flows');
    await both.save(new Map([...flows, ...access]));
    await rm(path);
  }
}

const known = (positions: Positions | 'unusable' | undefined): Positions | undefined =>
  positions === 'unusable' ? undefined : positions;

async function ownerOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).uid;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
