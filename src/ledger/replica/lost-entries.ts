import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LedgerHead } from '../../domain/control-state.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { genesisHead, headOf, verifyEntry } from '../chain.ts';
import { replaceFile } from '../durable-file.ts';
import { LedgerCorrupt } from '../ledger.ts';

/** Entries that were acknowledged, and that the store has not any more since it went on without them. */
export interface LostEntries {
  /** The file they are kept in. */
  readonly path: string;
  /** The last entry that both chains have. */
  readonly ancestor: LedgerHead;
  readonly entries: readonly LedgerEntry[];
}

const nameOf = (last: LedgerEntry): string => `${last.sequence}-${last.hash.slice(0, 16)}.json`;

/** Keeps them, durably, under a name that the same entries get again. Returns the path. */
export function keepLostEntries(
  directory: string,
  lost: Pick<LostEntries, 'ancestor' | 'entries'>,
): string | undefined {
  const last = lost.entries.at(-1);
  if (last === undefined) return undefined;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = join(directory, nameOf(last));
  const { ancestor, entries } = lost;
  replaceFile(path, Buffer.from(`${JSON.stringify({ ancestor, entries }, null, 2)}\n`));
  return path;
}

/** All that were kept, oldest file name first. @throws LedgerCorrupt for a file that was altered. */
export function readLostEntries(directory: string): LostEntries[] {
  return fileNames(directory).map((name) => {
    const path = join(directory, name);
    try {
      const { ancestor, entries } = JSON.parse(readFileSync(path, 'utf8')) as Omit<LostEntries, 'path'>;
      let head = ancestor.sequence === 0 ? genesisHead : ancestor;
      for (const entry of entries) {
        verifyEntry(head, entry);
        head = headOf(entry);
      }
      return { path, ancestor, entries };
    } catch (error) {
      throw new LedgerCorrupt(0, `${path} is damaged: ${(error as Error).message}`);
    }
  });
}

function fileNames(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => name.endsWith('.json'))
      .sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

/** How many files of them wait for a person. */
export const countLostEntries = (directory: string): number => fileNames(directory).length;
