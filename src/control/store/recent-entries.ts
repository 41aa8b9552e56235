import type { LedgerEntry } from '../../domain/events.ts';

/** The last entries of the ledger, in order and without a gap. */
export interface RecentEntries {
  /** Takes entries in any order; those it has are passed over. */
  add(entries: readonly LedgerEntry[]): void;
  /** Forgets all, since they are of another chain. */
  clear(): void;
  all(): readonly LedgerEntry[];
}

export const maxRecentEntries = 256;

/**
 * What a worker is told when it says hello to a control process that did not start it. The one before may have died
 * between a commit and telling of it: without these, a revocation would wait for the next change to be enforced. A
 * worker that is further behind than they reach finds the gap, ends, and is started with the whole state.
 */
export function createRecentEntries(max: number = maxRecentEntries): RecentEntries {
  const bySequence = new Map<number, LedgerEntry>();
  const inOrder = (): LedgerEntry[] => [...bySequence.values()].sort((a, b) => a.sequence - b.sequence);
  return {
    add(entries) {
      for (const entry of entries) bySequence.set(entry.sequence, entry);
      if (bySequence.size <= max) return;
      for (const { sequence } of inOrder().slice(0, -max)) bySequence.delete(sequence);
    },
    clear: () => bySequence.clear(),
    all: inOrder,
  };
}
