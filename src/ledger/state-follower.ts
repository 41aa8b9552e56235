import type { ControlState } from '../domain/control-state.ts';
import type { LedgerEntry } from '../domain/events.ts';
import { headOf, verifyEntry } from './chain.ts';
import { applyEntry } from './fold.ts';

/** A fold that lives in another process than the ledger. */
export interface StateFollower {
  readonly state: ControlState;
  /**
   * Moves the state by entries that came over a channel; those it has already are passed over.
   * @throws LedgerCorrupt for a gap, an altered entry or one that cannot be: the process must then stop serving,
   * since it no longer knows what was revoked.
   */
  apply(entries: readonly LedgerEntry[]): void;
}

/** Follows from a snapshot, which becomes the follower's own. */
export function createStateFollower(snapshot: ControlState): StateFollower {
  const state = snapshot;
  return {
    state,
    apply(entries) {
      const fresh = entries.filter(({ sequence }) => sequence > state.head.sequence);
      // The whole chain first: nothing of a bad batch is applied.
      let head = state.head;
      for (const entry of fresh) {
        verifyEntry(head, entry);
        head = headOf(entry);
      }
      for (const entry of fresh) applyEntry(state, entry);
    },
  };
}
