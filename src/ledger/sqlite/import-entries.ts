import type { LedgerHead } from '../../domain/control-state.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { genesisHead, headOf, verifyEntry } from '../chain.ts';
import { LedgerUnavailable } from '../ledger.ts';
import { openHeadFile } from './head-file.ts';
import { openDatabase } from './open-database.ts';
import { guarded } from './sqlite-errors.ts';

/** Writes entries as they were, hash for hash, into a new ledger. */
export interface EntryImport {
  /** Those that follow, durably and as one. @throws LedgerCorrupt where they do not follow; LedgerUnavailable */
  add(entries: readonly LedgerEntry[]): void;
  /** Acknowledges the last, and closes. */
  finish(): LedgerHead;
  /** Closes what is not to be finished: without its head file the ledger does not open. */
  abandon(): void;
}

/** @throws LedgerUnavailable where there is a ledger already, or none can be made */
export function importEntries(path: string): EntryImport {
  const database = guarded(path, 0, () => openDatabase(path, { create: true, busyTimeoutMs: 0 }));
  const insert = guarded(path, 0, () =>
    database.prepare(
      'INSERT INTO entries (sequence, at, actor, data, previous, hash) VALUES (?, ?, ?, ?, ?, ?)',
    ),
  );
  let head = genesisHead;
  if (database.prepare('SELECT count(*) AS n FROM entries').get()?.['n'] !== 0) {
    database.close();
    throw new LedgerUnavailable(`there is a ledger at ${path} already`);
  }
  const insertAll = (entries: readonly LedgerEntry[]): void => {
    database.exec('BEGIN IMMEDIATE');
    for (const entry of entries) {
      verifyEntry(head, entry);
      const { sequence, at, actor, data, previous, hash } = entry;
      insert.run(sequence, at, actor, data, previous, hash);
      head = headOf(entry);
    }
    database.exec('COMMIT');
  };
  return {
    add: (entries) => guarded(path, head.sequence, () => insertAll(entries)),
    finish() {
      guarded(path, head.sequence, () => database.close());
      openHeadFile(`${path}.head`).write(head);
      return head;
    },
    abandon: () => database.close(),
  };
}
