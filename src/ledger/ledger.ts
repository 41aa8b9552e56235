import type { ControlEvent, LedgerEntry } from '../domain/events.ts';
import type { ControlState, LedgerHead } from '../domain/control-state.ts';

/**
 * The one log of lasting control state. Every implementation passes test/ledger/ledger-contract.ts.
 * Entries are ordered, hash-chained and never changed; `append` is optimistic, so that two writers cannot both win.
 */
export interface LedgerWriter {
  /**
   * Appends all events as one unit after the entry whose hash is `expectedHash`, durably before it returns.
   * @throws LedgerConflict when the head has moved; LedgerUnavailable when the store cannot be written, and of it
   * LedgerUnconfirmed when it was or may have been all the same; TypeError for no events, or an actor or event that
   * cannot be stored.
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

/** How a chain lies in its store, found out in one step. Not verified. */
export interface LedgerExtent {
  /** Undefined where there is nothing. */
  readonly first: LedgerHead | undefined;
  readonly last: LedgerHead;
  /** Undefined where the store does not let us count. */
  readonly count: number | undefined;
}

/** A ledger in a store that can lose any part of it, and be given the whole again. */
export interface MendableLedger extends StoredLedger {
  extent(): Promise<LedgerExtent>;
  /** The first entry that the store has at this number or after it. */
  firstFrom(sequence: number): Promise<LedgerEntry | undefined>;
  /**
   * Puts a chain in the place of what the store has, in one step, if both end alike by then: what comes after it is taken
   * over. `false` where somebody else is at it.
   * @throws LedgerConflict when the store does not follow that chain, LedgerUnavailable.
   */
  replaceWith(entries: Iterable<LedgerEntry>): Promise<boolean>;
}

export const isMendable = (ledger: Ledger): ledger is MendableLedger => 'replaceWith' in ledger;

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
  override readonly name: string = 'LedgerUnavailable';
}

/**
 * The store took an append and did not acknowledge it as asked (`made`: it is in the ledger, and may be lost again), or
 * was lost before it said whether it took it (`unknown`). To append the same again could be to do it twice.
 */
export class LedgerUnconfirmed extends LedgerUnavailable {
  override readonly name = 'LedgerUnconfirmed';
  readonly outcome: 'made' | 'unknown';
  constructor(outcome: 'made' | 'unknown', message: string, options?: ErrorOptions) {
    super(message, options);
    this.outcome = outcome;
  }
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
