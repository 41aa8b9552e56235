import type { ControlEvent, LedgerEntry } from '../domain/events.ts';
import type { ControlState, LedgerHead } from '../domain/control-state.ts';

/**
 * The one log of lasting control state. Every implementation passes test/ledger/ledger-contract.ts.
 * Entries are ordered, hash-chained and never changed; `append` is optimistic, so that two writers cannot both win.
 */
export interface LedgerWriter {
  /**
   * Appends all events as one unit after the entry whose hash is `expectedHash`, durably before it returns.
   * @throws LedgerConflict when the head has moved; LedgerUnavailable when the store cannot be written; TypeError for no
   * events, or an actor or event that cannot be stored.
   */
  append(
    expectedHash: string,
    actor: string,
    events: readonly ControlEvent[],
  ): Promise<readonly LedgerEntry[]>;
}

export interface LedgerReader {
  head(): Promise<LedgerHead>;
  /**
   * Entries after the given sequence number, oldest first, verified link by link.
   * @throws RangeError for a sequence number that the ledger does not have; LedgerCorrupt, LedgerUnavailable.
   */
  read(afterSequence: number): AsyncIterable<LedgerEntry>;
  /** Like `read`, then waits for more until the signal aborts or the ledger is closed: both end it without an error. */
  follow(afterSequence: number, signal: AbortSignal): AsyncIterable<LedgerEntry>;
}

export interface Ledger extends LedgerReader, LedgerWriter {
  close(): Promise<void>;
}

/** A ledger that can take entries which were made elsewhere: a copy, or what it has lost. */
export interface StoredLedger extends Ledger {
  /**
   * Appends entries as they are, with their hashes, after the one that the first of them names.
   * @throws LedgerConflict when the last entry is another; LedgerUnavailable.
   */
  restore(entries: readonly LedgerEntry[]): Promise<void>;
  /** The hash of one entry, `undefined` where there is none. */
  hashAt(sequence: number): Promise<string | undefined>;
}

/** A ledger whose store can lose its end and go on without it, as Redis at a failover. */
export interface RebasingLedger extends Ledger {
  /**
   * Hears, at the very moment, that another chain took the place of the one read so far, with the state that it folds
   * to, which becomes the listener's own. What is read and followed from then on is of the new chain.
   */
  onRebase(listener: (state: ControlState) => void): void;
}

export const isRebasing = (ledger: Ledger): ledger is RebasingLedger => 'onRebase' in ledger;

export class LedgerConflict extends Error {
  override readonly name = 'LedgerConflict';
}

export class LedgerUnavailable extends Error {
  override readonly name = 'LedgerUnavailable';
}

/** The stored chain does not verify. Names the first entry that is wrong; nothing is repaired. */
export class LedgerCorrupt extends Error {
  override readonly name = 'LedgerCorrupt';
  readonly sequence: number;
  constructor(sequence: number, message: string) {
    super(message);
    this.sequence = sequence;
  }
}
