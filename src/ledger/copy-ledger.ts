import type { LedgerHead } from '../domain/control-state.ts';
import type { LedgerEntry } from '../domain/events.ts';
import { applyEntry, emptyState } from './fold.ts';
import type { LedgerReader, StoredLedger } from './ledger.ts';

export interface CopiedLedger {
  readonly head: LedgerHead;
  /** Entries that the target had already. */
  readonly had: number;
}

/** The target holds what the source does not: nothing was written. */
export class CopyRefused extends Error {
  override readonly name = 'CopyRefused';
}

const entriesAtOnce = 500;

/**
 * Copies a chain entry by entry, byte for byte, into a target that is empty or has its beginning, then reads the target
 * from its first entry and compares. Going on after an interruption is calling it again.
 * @throws CopyRefused, LedgerConflict (someone else writes to the target), LedgerCorrupt, LedgerUnavailable
 */
export async function copyLedger(source: LedgerReader, target: StoredLedger): Promise<CopiedLedger> {
  const from = await source.head();
  const had = await target.head();
  if (had.sequence > from.sequence)
    throw new CopyRefused(
      `the target has ${had.sequence} entries and the source ${from.sequence}: it is in use`,
    );
  if ((await hashAt(source, had.sequence)) !== had.hash)
    throw new CopyRefused(`the target holds another ledger, of ${had.sequence} entries`);

  let batch: LedgerEntry[] = [];
  for await (const entry of source.read(had.sequence)) {
    batch.push(entry);
    if (batch.length < entriesAtOnce) continue;
    await target.restore(batch);
    batch = [];
  }
  await target.restore(batch);

  const head = await foldedHead(target);
  if (head.sequence < from.sequence || (await hashAt(source, head.sequence)) !== head.hash)
    throw new CopyRefused('the target is not what was copied: someone else writes to it');
  return { head, had: had.sequence };
}

/** Reads and folds all there is: whole, and understood by this version. @throws LedgerCorrupt, LedgerUnavailable */
export async function foldedHead(ledger: LedgerReader): Promise<LedgerHead> {
  const state = emptyState();
  for await (const entry of ledger.read(0)) applyEntry(state, entry);
  return state.head;
}

async function hashAt(ledger: LedgerReader, sequence: number): Promise<string> {
  if (sequence === 0) return emptyState().head.hash;
  for await (const entry of ledger.read(sequence - 1)) return entry.hash;
  return '';
}
