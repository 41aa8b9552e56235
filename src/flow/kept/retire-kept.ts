import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Checkpointer } from '../checkpoints/checkpointer.ts';
import type { KeptFiles } from '../spool/retired.ts';
import { listKept } from './list-kept.ts';
import { keptHash, readKeptHeader } from './kept-file.ts';

/**
 * Removes files of kept records in which all was written before a time (epoch milliseconds), from the beginning of each
 * chain, after it is signed where the chain begins then. @returns how many. @throws what the file system throws
 */
export async function retireKept(
  directory: string,
  before: number,
  checkpointer: Pick<Checkpointer, 'retiredOf' | 'retiring'>,
): Promise<number> {
  let removed = 0;
  for (const files of (await listKept(directory)).values()) {
    const [{ stream } = { stream: undefined }] = files;
    const retired = stream === undefined ? undefined : checkpointer.retiredOf(stream);
    const kept = retired?.kept;
    if (stream === undefined || retired === undefined || kept === undefined) continue;
    const signed = files.filter(({ segment }) => segment >= kept.oldest && segment <= kept.newest);
    const old: string[] = [];
    for (const { name } of signed) {
      const lastAt = (await readKeptHeader(join(directory, name)))?.lastAt;
      if (lastAt === undefined || lastAt >= before) break;
      old.push(name);
    }
    const last = old.at(-1);
    if (last === undefined) continue;
    const next = signed[old.length];
    const left: KeptFiles | undefined =
      next === undefined
        ? undefined
        : { ...kept, oldest: next.segment, previous: await keptHash(join(directory, last)) };
    const { kept: _, ...rest } = retired;
    await checkpointer.retiring(stream, left === undefined ? rest : { ...rest, kept: left });
    for (const name of old) await rm(join(directory, name), { force: true });
    removed += old.length;
  }
  return removed;
}
