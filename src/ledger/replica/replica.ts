import type { DatabaseSync } from 'node:sqlite';
import type { LedgerHead } from '../../domain/control-state.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { genesisHead, headOf, verifyEntry } from '../chain.ts';
import { LedgerUnavailable } from '../ledger.ts';
import { openDatabase } from '../sqlite/open-database.ts';
import { lockForThisProcess } from '../sqlite/process-lock.ts';
import { guarded } from '../sqlite/sqlite-errors.ts';
import { prepareRead } from '../sqlite/stored-entries.ts';

/**
 * What this server has seen of the ledger of a store elsewhere: on its disk before anything is done with it. It is how
 * the server starts while the store is away, and how it knows what the store has lost.
 */
export interface Replica {
  head(): LedgerHead;
  hashAt(sequence: number): string | undefined;
  /** @throws RangeError, LedgerCorrupt */
  read(afterSequence: number): Generator<LedgerEntry>;
  /** Adds entries that follow its head: all or none, durably. @throws LedgerCorrupt, LedgerUnavailable */
  adopt(entries: readonly LedgerEntry[]): void;
  /** Puts other entries in the place of those after `ancestor`, in one step. */
  rewrite(ancestor: number, entries: readonly LedgerEntry[]): void;
  close(): void;
}

// The one place that takes entries away, in a transaction that puts the guard back.
const guard = `CREATE TRIGGER entries_stay BEFORE DELETE ON entries
  BEGIN SELECT RAISE(ABORT, 'ledger entries are never deleted'); END`;

/**
 * Opens the replica, or makes it, for this process alone. Verifies what comes after `vouchedFor`, the head of a snapshot,
 * where it has that very entry; otherwise everything.
 * @throws LedgerCorrupt, LedgerUnavailable also while another process has it
 */
export function openReplica(path: string, vouchedFor: LedgerHead = genesisHead): Replica {
  const lock = lockFor(path);
  const database = guarded(path, 0, () => openDatabase(path, { create: true, busyTimeoutMs: 1000 }));
  try {
    const replica = createReplica(database, path, () => lock.release());
    const start = replica.hashAt(vouchedFor.sequence) === vouchedFor.hash ? vouchedFor.sequence : 0;
    for (const _ of replica.read(start));
    return replica;
  } catch (error) {
    database.close();
    lock.release();
    throw error;
  }
}

function lockFor(path: string): { release(): void } {
  try {
    return lockForThisProcess(`${path}.lock`);
  } catch (error) {
    throw new LedgerUnavailable(
      `${path} is in use by another process: run one \`postern serve\` on a data directory, with the role \`all\``,
      { cause: error },
    );
  }
}

function createReplica(database: DatabaseSync, path: string, unlock: () => void): Replica {
  const readStored = prepareRead(database, path);
  const selectHead = database.prepare('SELECT sequence, hash FROM entries ORDER BY sequence DESC LIMIT 1');
  const selectHash = database.prepare('SELECT hash FROM entries WHERE sequence = ?');
  const insert = database.prepare(
    'INSERT INTO entries (sequence, at, actor, data, previous, hash) VALUES (?, ?, ?, ?, ?, ?)',
  );

  const readHead = (): LedgerHead => {
    const row = guarded(path, 0, () => selectHead.get()) as LedgerHead | undefined;
    return row === undefined ? genesisHead : { sequence: row.sequence, hash: row.hash };
  };
  const hashAt = (sequence: number): string | undefined => {
    if (sequence === 0) return genesisHead.hash;
    const row = guarded(path, sequence, () => selectHash.get(sequence));
    return row === undefined ? undefined : String(row['hash']);
  };
  const insertAfter = (start: LedgerHead, entries: readonly LedgerEntry[]): void => {
    let head = start;
    for (const entry of entries) {
      verifyEntry(head, entry);
      insert.run(entry.sequence, entry.at, entry.actor, entry.data, entry.previous, entry.hash);
      head = headOf(entry);
    }
  };
  const inTransaction = (work: () => void): void =>
    guarded(path, 0, () => {
      database.exec('BEGIN IMMEDIATE');
      try {
        work();
        database.exec('COMMIT');
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
    });

  return {
    head: readHead,
    hashAt,
    *read(afterSequence) {
      const hash = hashAt(afterSequence);
      if (hash === undefined) throw new RangeError(`ledger has no entry ${afterSequence}`);
      let head: LedgerHead = { sequence: afterSequence, hash };
      for (;;) {
        const entries = readStored(head);
        const last = entries.at(-1);
        if (last === undefined) return;
        yield* entries;
        head = headOf(last);
      }
    },
    adopt(entries) {
      if (entries.length > 0) inTransaction(() => insertAfter(readHead(), entries));
    },
    rewrite(ancestor, entries) {
      inTransaction(() => {
        database.exec('DROP TRIGGER entries_stay');
        database.prepare('DELETE FROM entries WHERE sequence > ?').run(ancestor);
        database.exec(guard);
        insertAfter(readHead(), entries);
      });
    },
    close() {
      database.close();
      unlock();
    },
  };
}
