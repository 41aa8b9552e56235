import { refuse } from '../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../contract/refusals.ts';
import type { ControlState, LedgerHead } from '../domain/control-state.ts';
import type { ControlEvent, LedgerEntry } from '../domain/events.ts';
import { checkEvents } from './check-events.ts';
import { applyEntry } from './fold.ts';
import { isRebasing, LedgerConflict, LedgerCorrupt, LedgerUnavailable, LedgerUnconfirmed } from './ledger.ts';
import type { Ledger } from './ledger.ts';
import { loadState } from './load-state.ts';
import { replaceState } from './replace-state.ts';
import { pause } from './pause.ts';
import { writeSnapshot } from './snapshot-file.ts';
import { verifyQuietly } from './verify-quietly.ts';

/** What a decision over the state leads to: events to append as one unit, and what to answer once they are. */
export interface Change<Value> {
  readonly events: readonly ControlEvent[];
  readonly value: Value;
}

/** The live state of the ledger, and the one way to change it. */
export interface LedgerStore {
  /** Moves on by itself, whole appends at a time, whoever appended. Read-only to all but the store. */
  readonly state: ControlState;
  /**
   * Decides over the newest state and appends the events, if the ledger has not moved meanwhile; otherwise decides
   * again. `decide` must be pure, since it may run several times. When this resolves to the value, the events are
   * durable and in the state. A refusal means that nothing was appended, but for `change-unconfirmed` and `change-unknown`.
   */
  commit<Value>(
    actor: string,
    decide: (state: ControlState) => Change<Value> | Refusal,
  ): Promise<Value | Refusal>;
  /** Hands every later append to the listener, whole, after the state has moved. Returns how to stop that. */
  onEntries(listener: (entries: readonly LedgerEntry[]) => void): () => void;
  /** Every entry after a sequence number, from the ledger itself: what was, where the state has only what is. */
  read(afterSequence: number): AsyncIterable<LedgerEntry>;
  /**
   * Tells when the state was replaced because the ledger's store had gone on without what it lost: entries heard before
   * may not be of its chain. Returns how to stop that.
   */
  onReplaced(listener: () => void): () => void;
  /** Stops following, leaves a snapshot, and closes the ledger. */
  close(): Promise<void>;
}

export interface LedgerStoreOptions {
  /** Where a copy of the fold is kept, for quick starts. */
  readonly snapshotPath?: string;
  /** Entries between two snapshots. */
  readonly snapshotEvery?: number;
  /** How long to wait before following again after the ledger was not available. */
  readonly retryMs?: number;
  /** How long a start from a snapshot is left alone before the entries behind the snapshot are verified. */
  readonly settleMs?: number;
  /** Hears of what went wrong beside a commit: a snapshot not used, a listener that threw, a ledger gone or corrupt. */
  readonly onProblem?: (problem: StoreProblem, error: Error) => void;
}

export type StoreProblem =
  | 'snapshot-not-used'
  | 'snapshot-not-written'
  | 'listener-failed'
  | 'ledger-unavailable'
  /** The store in Redis had lost its end, and was given it back. */
  | 'ledger-rewound'
  /** The store in Redis had lost a part before its end, and was given it back. */
  | 'ledger-mended'
  /** As before, but it could not be given it. Said again at each attempt. */
  | 'ledger-holed'
  /** The store in Redis had gone on without what it lost; the state was replaced. */
  | 'ledger-forked'
  /** The store in Redis holds what cannot be followed. The state stands still until it is mended. */
  | 'ledger-not-followed'
  /** The state stands still from here on, and nothing is committed any more. */
  | 'ledger-corrupt';

/** Races between writers are short; one that is lost this often is no race. */
const maxAttempts = 32;

/**
 * Opens the store: reads and verifies the ledger into memory, then follows it. What a snapshot stood for is verified
 * while it serves: entries behind it cannot change the state, but an altered one stops the store all the same. Closing the store closes the ledger; when
 * this throws, the ledger is still the caller's to close.
 * @throws LedgerCorrupt, LedgerUnavailable
 */
export async function openLedgerStore(
  ledger: Ledger,
  options: LedgerStoreOptions = {},
): Promise<LedgerStore> {
  const {
    snapshotPath,
    snapshotEvery = 10_000,
    retryMs = 1000,
    settleMs = 30_000,
    onProblem = () => undefined,
  } = options;
  const { state, snapshotHead } = await loadState(ledger, snapshotPath, (problem) =>
    onProblem('snapshot-not-used', new Error(problem)),
  );
  const listeners = new Set<(entries: readonly LedgerEntry[]) => void>();
  const replacedListeners = new Set<() => void>();
  const closed = new AbortController();
  let corrupt: Error | undefined;
  let snapshotAt = snapshotHead.sequence;
  let commits: Promise<unknown> = Promise.resolve();

  const saveSnapshot = (): void => {
    if (snapshotPath === undefined || snapshotAt === state.head.sequence || corrupt !== undefined) return;
    try {
      writeSnapshot(snapshotPath, state);
      snapshotAt = state.head.sequence;
    } catch (error) {
      onProblem('snapshot-not-written', error as Error);
    }
  };

  const saveSnapshotIfDue = (): void => {
    if (state.head.sequence - snapshotAt >= snapshotEvery) saveSnapshot();
  };

  const stop = (error: Error): void => {
    if (corrupt !== undefined) return;
    corrupt = error;
    onProblem('ledger-corrupt', error);
  };

  const tell = (hear: () => void): void => {
    try {
      hear();
    } catch (error) {
      onProblem('listener-failed', error as Error);
    }
  };

  // Entries come from here and from following; the state takes each once, and an append as a whole: half of one could
  // have withdrawn a policy and not yet put its successor.
  const apply = (entries: readonly LedgerEntry[]): void => {
    if (corrupt !== undefined) return;
    const fresh = entries.filter(({ sequence }) => sequence > state.head.sequence);
    if (fresh.length === 0) return;
    try {
      for (const entry of fresh) applyEntry(state, entry);
    } catch (error) {
      stop(error as Error);
      throw error;
    }
    for (const listener of listeners) tell(() => listener(fresh));
    saveSnapshotIfDue();
  };

  // How often the state was replaced.
  let replaced = 0;
  const verification = new AbortController();
  if (isRebasing(ledger))
    ledger.onRebase((next) => {
      replaceState(state, next);
      replaced += 1;
      verification.abort();
      snapshotAt = 0;
      saveSnapshot();
      for (const listener of replacedListeners) tell(listener);
    });

  const catchUp = async (): Promise<void> => {
    const chain = replaced;
    const entries = await Array.fromAsync(ledger.read(state.head.sequence));
    // What was read of a chain that has gone since says nothing.
    if (chain === replaced) apply(entries);
  };

  const commitOnce = async <Value>(
    actor: string,
    decide: (state: ControlState) => Change<Value> | Refusal,
  ): Promise<{ readonly done: Value | Refusal } | 'moved'> => {
    const decided = decide(state);
    if (!('events' in decided)) return { done: decided };
    if (decided.events.length === 0) return { done: decided.value };
    const problem = checkEvents(state, decided.events);
    if (problem !== undefined) return { done: problem };
    try {
      apply(await ledger.append(state.head.hash, actor, decided.events));
      return { done: decided.value };
    } catch (error) {
      if (!(error instanceof LedgerConflict)) throw error;
      await catchUp();
      return 'moved';
    }
  };

  const commit = async <Value>(
    actor: string,
    decide: (state: ControlState) => Change<Value> | Refusal,
  ): Promise<Value | Refusal> => {
    try {
      for (let attempt = 0; attempt < maxAttempts; attempt += 1) {
        if (corrupt !== undefined) return refuse('store-unavailable', corrupt.message);
        const result = await commitOnce(actor, decide);
        if (result !== 'moved') return result.done;
      }
      return refuse('conflict', `the ledger moved ${maxAttempts} times`);
    } catch (error) {
      if (error instanceof LedgerCorrupt) stop(error);
      else if (!(error instanceof LedgerUnavailable)) throw error;
      return refuse(codeOf(error), error.message);
    }
  };

  const follow = async (): Promise<void> => {
    for (;;) {
      if (closed.signal.aborted || corrupt !== undefined) return;
      try {
        for await (const entry of ledger.follow(state.head.sequence, closed.signal))
          if (entry.sequence > state.head.sequence) await catchUp();
        return;
      } catch (error) {
        if (closed.signal.aborted) return;
        if (!(error instanceof LedgerUnavailable)) {
          stop(error as Error);
          return;
        }
        onProblem('ledger-unavailable', error);
        await pause(retryMs, closed.signal);
      }
    }
  };
  const verifyBeginning = async (head: LedgerHead): Promise<void> => {
    const signal = AbortSignal.any([closed.signal, verification.signal]);
    if (head.sequence > 0) await pause(settleMs, signal);
    while (!signal.aborted) {
      try {
        await verifyQuietly(ledger, head, { signal });
        return;
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof LedgerUnavailable)) {
          stop(error as Error);
          return;
        }
        // Whoever follows has said so.
        await pause(retryMs, signal);
      }
    }
  };

  const verifying = verifyBeginning(snapshotHead);
  saveSnapshotIfDue();
  const following = follow();

  return {
    state,
    commit(actor, decide) {
      const result = commits.then(() => commit(actor, decide));
      commits = result.catch(() => undefined);
      return result;
    },
    onEntries(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    read: (afterSequence) => ledger.read(afterSequence),
    onReplaced(listener) {
      replacedListeners.add(listener);
      return () => void replacedListeners.delete(listener);
    },
    async close() {
      closed.abort();
      await commits;
      await Promise.all([following, verifying]);
      saveSnapshot();
      await ledger.close();
    },
  };
}

function codeOf(error: Error): RefusalCode {
  if (!(error instanceof LedgerUnconfirmed)) return 'store-unavailable';
  return error.outcome === 'made' ? 'change-unconfirmed' : 'change-unknown';
}
