import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Value } from 'typebox/value';
import { dataDirectory } from '../contract/data-directory.ts';
import { replaceFile } from '../ledger/durable-file.ts';

const LastBackup = Type.Object({
  /** Epoch seconds. */
  at: Type.Integer({ minimum: 0 }),
  /** Where it was written to; it may have been moved since. */
  file: Type.String(),
  /** Of the ledger's last entry in it. */
  sequence: Type.Integer({ minimum: 0 }),
});
export type LastBackup = Static<typeof LastBackup>;

/** Notes in the data directory that a backup was made. @throws an error of node:fs */
export function noteBackup(directory: string, last: LastBackup): void {
  replaceFile(join(directory, dataDirectory.lastBackup), Buffer.from(`${JSON.stringify(last)}\n`));
}

/** What was noted last; undefined where nothing was, or nothing that can be read. @throws an error of node:fs */
export function readLastBackup(directory: string): LastBackup | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(join(directory, dataDirectory.lastBackup), 'utf8'));
    return Value.Check(LastBackup, value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
