import type { DatabaseSync } from 'node:sqlite';
import type { LedgerHead } from '../../domain/control-state.ts';
import type { ControlEvent, LedgerEntry } from '../../domain/events.ts';
import { checkActor, genesisHead, headOf, linkEntries } from '../chain.ts';
import { LedgerConflict, LedgerCorrupt, LedgerUnavailable } from '../ledger.ts';
import type { Ledger } from '../ledger.ts';
import { openHeadFile } from './head-file.ts';
import type { HeadFile } from './head-file.ts';
import { openDatabase } from './open-database.ts';
import { guarded } from './sqlite-errors.ts';
import { prepareRead, rowsAtOnce, verifyStored } from './stored-entries.ts';
import { createWaiters } from './waiters.ts';

export interface SqliteLedgerOptions {
  /** Makes the ledger where there is none; otherwise that is an error, since a lost ledger must not start afresh. */
  readonly create?: boolean;
  /** Epoch milliseconds, for the entries' time. */
  readonly now?: () => number;
  /** How long an append or read blocks this process for another one's write. */
  readonly busyTimeoutMs?: number;
  /** How often to look for entries of other processes while someone follows. */
  readonly pollMs?: number;
  /**
   * A head that a snapshot vouches for. Where the ledger has it, opening verifies from there on only; whoever uses this
   * verifies the rest while it serves (`verifyQuietly`). A ledger without that very head is verified as a whole.
   */
  readonly vouchedFor?: LedgerHead;
}

/**
 * The embedded ledger: one SQLite file, with `PATH.head` beside it. Several processes of one machine may have it open.
 * Opening verifies the chain, the whole of it unless a snapshot vouches for its beginning, and that the last
 * acknowledged entry is still there.
 * @throws LedgerCorrupt naming the first entry that is wrong; LedgerUnavailable where it cannot be read or written, or
 * is of another version. Nothing is repaired.
 */
export function openSqliteLedger(path: string, options: SqliteLedgerOptions = {}): Ledger {
  const { create = false, now = Date.now, busyTimeoutMs = 1000, pollMs = 50 } = options;
  const database = guarded(path, 0, () => openDatabase(path, { create, busyTimeoutMs }));
  try {
    const headFile = openHeadFile(`${path}.head`);
    const acknowledged = headFile.read();
    const start = findStart(database, path, options.vouchedFor, acknowledged);
    const head = verifyStored(prepareRead(database, path), path, { start, acknowledged });
    // Catches up after a crash between commit and head file, and makes the file of a new ledger.
    guarded(path, head.sequence, () => acknowledge(headFile, head));
    return guarded(path, 0, () => createLedger({ database, path, headFile, now, pollMs }));
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Where to begin: what was acknowledged must be among what is verified. */
function findStart(
  database: DatabaseSync,
  path: string,
  vouchedFor: LedgerHead | undefined,
  acknowledged: LedgerHead | undefined,
): LedgerHead {
  if (vouchedFor === undefined || acknowledged === undefined || acknowledged.sequence < vouchedFor.sequence)
    return genesisHead;
  const { sequence } = vouchedFor;
  const row = guarded(path, sequence, () =>
    database.prepare('SELECT hash FROM entries WHERE sequence = ?').get(sequence),
  );
  return row?.['hash'] === vouchedFor.hash ? vouchedFor : genesisHead;
}

function acknowledge(headFile: HeadFile, head: LedgerHead): void {
  try {
    headFile.write(head);
  } catch (error) {
    if (error instanceof LedgerCorrupt) throw error;
    throw new LedgerUnavailable(`ledger head file cannot be written: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

function createLedger(parts: {
  readonly database: DatabaseSync;
  readonly path: string;
  readonly headFile: HeadFile;
  readonly now: () => number;
  readonly pollMs: number;
}): Ledger {
  const { database, path, headFile, now, pollMs } = parts;
  const closed = new AbortController();
  const readStored = prepareRead(database, path);
  const selectHead = database.prepare('SELECT sequence, hash FROM entries ORDER BY sequence DESC LIMIT 1');
  const selectHash = database.prepare('SELECT hash FROM entries WHERE sequence = ?');
  const insert = database.prepare(
    'INSERT INTO entries (sequence, at, actor, data, previous, hash) VALUES (?, ?, ?, ?, ?, ?)',
  );
  const dataVersion = database.prepare('PRAGMA data_version');
  let isHeadFileBehind = false;

  const readHead = (): LedgerHead => {
    const row = guarded(path, 0, () => selectHead.get()) as unknown as LedgerHead | undefined;
    return row === undefined ? genesisHead : { sequence: row.sequence, hash: row.hash };
  };

  const assertOpen = (): void => {
    if (closed.signal.aborted) throw new LedgerUnavailable(`ledger ${path} is closed`);
  };

  // PRAGMA data_version moves only when another connection has written: a look at shared memory, no read of the disk.
  const waiters = createWaiters(() => {
    const readVersion = (): unknown => {
      try {
        return dataVersion.get()?.['data_version'];
      } catch {
        // Whoever waits reads next, and gets the error with its name.
        return NaN;
      }
    };
    let version = readVersion();
    const timer = setInterval(() => {
      const next = readVersion();
      if (next === version) return;
      version = next;
      waiters.wake();
    }, pollMs);
    return () => clearInterval(timer);
  });

  const insertAll = (expectedHash: string, actor: string, events: readonly ControlEvent[]): LedgerEntry[] => {
    database.exec('BEGIN IMMEDIATE');
    try {
      const head = readHead();
      if (head.hash !== expectedHash)
        throw new LedgerConflict(`ledger head is entry ${head.sequence}, not the one expected`);
      const entries = linkEntries(head, now(), actor, events);
      for (const { sequence, at, actor, data, previous, hash } of entries)
        insert.run(sequence, at, actor, data, previous, hash);
      database.exec('COMMIT');
      return entries;
    } catch (error) {
      // SQLite itself rolls back after some errors, such as a full disk.
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  };

  const headAt = (sequence: number): LedgerHead => {
    if (sequence === 0) return genesisHead;
    const row = guarded(path, sequence, () => selectHash.get(sequence));
    if (row === undefined) throw new RangeError(`ledger has no entry ${sequence}`);
    return { sequence, hash: String(row['hash']) };
  };

  async function* readAfter(start: LedgerHead): AsyncGenerator<LedgerEntry, LedgerHead> {
    let head = start;
    for (;;) {
      assertOpen();
      const entries = readStored(head);
      yield* entries;
      const last = entries.at(-1);
      if (last !== undefined) head = headOf(last);
      if (entries.length < rowsAtOnce) return head;
    }
  }

  return {
    async append(expectedHash, actor, events) {
      assertOpen();
      checkActor(actor);
      if (events.length === 0) throw new TypeError('nothing to append');
      // Never more than one append ahead of the head file: its loss would go unseen.
      if (isHeadFileBehind) {
        acknowledge(headFile, readHead());
        isHeadFileBehind = false;
      }
      const entries = guarded(path, 0, () => insertAll(expectedHash, actor, events));
      try {
        acknowledge(headFile, readHead());
      } catch (error) {
        // The entries are on disk: to report a failure now would be a lie. The next append sees to the head file first.
        if (!(error instanceof LedgerUnavailable)) throw error;
        isHeadFileBehind = true;
      }
      waiters.wake();
      return entries;
    },
    async head() {
      assertOpen();
      return readHead();
    },
    async *read(afterSequence) {
      assertOpen();
      yield* readAfter(headAt(afterSequence));
    },
    async *follow(afterSequence, signal) {
      if (closed.signal.aborted || signal.aborted) return;
      const left = new AbortController();
      const ended = AbortSignal.any([signal, closed.signal, left.signal]);
      try {
        let head = headAt(afterSequence);
        while (!ended.aborted) {
          // To wait from before the read: an entry that comes while it runs must not be slept over.
          const more = waiters.wait(ended);
          for await (const entry of readAfter(head)) {
            if (ended.aborted) return;
            yield entry;
            head = headOf(entry);
          }
          await more;
        }
      } catch (error) {
        // Closed while it read: the end of following, not a failure.
        if (!closed.signal.aborted) throw error;
      } finally {
        left.abort();
      }
    },
    async close() {
      if (closed.signal.aborted) return;
      closed.abort();
      database.close();
    },
  };
}
