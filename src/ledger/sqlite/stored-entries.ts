import type { DatabaseSync } from 'node:sqlite';
import type { LedgerHead } from '../../domain/control-state.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { headOf, verifyEntry } from '../chain.ts';
import { LedgerCorrupt } from '../ledger.ts';
import { guarded } from './sqlite-errors.ts';

/** The entries after a head, oldest first and verified link by link: at most `atOnce`, fewer at the end. */
export type ReadStored = (after: LedgerHead) => LedgerEntry[];

export const rowsAtOnce = 1000;

export function prepareRead(database: DatabaseSync, path: string, atOnce = rowsAtOnce): ReadStored {
  const select = guarded(path, 0, () =>
    database.prepare(
      'SELECT sequence, at, actor, data, previous, hash FROM entries WHERE sequence > ? ORDER BY sequence LIMIT ?',
    ),
  );
  const readRows = (after: number, limit: number): LedgerEntry[] =>
    guarded(path, after + 1, () => select.all(after, limit)) as unknown as LedgerEntry[];

  const readBatch = (after: number): LedgerEntry[] => {
    try {
      return readRows(after, atOnce);
    } catch (error) {
      // A damaged page fails the whole batch; one by one, the error names the entry.
      if (error instanceof LedgerCorrupt) for (let last = after; ; last += 1) readRows(last, 1);
      throw error;
    }
  };

  return (after) => {
    let head = after;
    return readBatch(after.sequence).map(({ sequence, at, actor, data, previous, hash }) => {
      const entry = { sequence, at, actor, data, previous, hash };
      verifyEntry(head, entry);
      head = headOf(entry);
      return entry;
    });
  };
}

/**
 * Reads all there is after `start`, link by link, and looks for the acknowledged head on the way. Returns the last.
 * @throws LedgerCorrupt naming the first entry that is wrong, or missing at the end.
 */
export function verifyStored(
  readStored: ReadStored,
  path: string,
  { start, acknowledged }: { readonly start: LedgerHead; readonly acknowledged: LedgerHead | undefined },
): LedgerHead {
  let head = start;
  let acknowledgedHash = acknowledged?.sequence === start.sequence ? start.hash : undefined;
  for (;;) {
    const entries = readStored(head);
    const last = entries.at(-1);
    if (last === undefined) break;
    acknowledgedHash ??= entries.find(({ sequence }) => sequence === acknowledged?.sequence)?.hash;
    head = headOf(last);
  }
  if (acknowledged === undefined) {
    if (head.sequence === 0) return head;
    throw new LedgerCorrupt(
      head.sequence,
      `ledger ${path} has lost its head file, so that nothing shows whether its end was cut off`,
    );
  }
  if (head.sequence < acknowledged.sequence)
    throw new LedgerCorrupt(
      head.sequence + 1,
      `ledger ${path} was cut off: it ends at entry ${head.sequence}, and entry ${acknowledged.sequence} was acknowledged`,
    );
  if (acknowledgedHash !== acknowledged.hash)
    throw new LedgerCorrupt(
      acknowledged.sequence,
      `ledger ${path} is not the one that was acknowledged: entry ${acknowledged.sequence} has another hash`,
    );
  return head;
}
