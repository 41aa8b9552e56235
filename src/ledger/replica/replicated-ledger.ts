import type { ControlState } from '../../domain/control-state.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { LedgerConflict, LedgerCorrupt, LedgerUnavailable, LedgerUnconfirmed } from '../ledger.ts';
import type { RebasingLedger, MendableLedger } from '../ledger.ts';
import { pause } from '../pause.ts';
import { createWaiters } from '../sqlite/waiters.ts';
import { findGap } from './gap.ts';
import { giveBack, recoverFork } from './recover.ts';
import type { Recovery } from './recover.ts';
import type { Replica } from './replica.ts';

export interface ReplicatedLedgerOptions {
  /** Calls back whenever it has looked whether the last entry that it gave is still there. */
  readonly openStore: (onConfirmed: () => void) => MendableLedger;
  /** Becomes this ledger's own. */
  readonly replica: Replica;
  /** Where entries are kept that the store lost and went on without. */
  readonly lostDirectory: string;
  /** Before the replica takes another chain: what was derived from the one before must not outlive it. */
  readonly beforeRebase: () => void;
  readonly onRecovery: (recovery: Recovery) => void;
  /** The store is away, or holds what cannot be followed. Said again at each attempt. */
  readonly onTrouble: (error: Error) => void;
  /** The replica is what the store has. Said at least every few seconds while it is. */
  readonly onInStep: () => void;
  readonly retryMs?: number;
  /** How often to look whether the store has lost what lies before its end. */
  readonly lookEveryMs?: number;
}

/** Entries at once into the replica; no append is larger. */
const entriesAtOnce = 20_000;
const maxAttempts = 32;
/** After the store could not be given what it lost: to write a ledger takes it some work. */
const mendAgainMs = 60_000;

/**
 * A ledger in a store elsewhere, read from a replica on this server's disk. Appends go to the store first. When the store
 * is away, reading goes on. When it has lost what this server has seen, wherever in it, it is given back; when it went on without, the
 * replica follows, after what restricts was made again.
 */
export async function openReplicatedLedger(options: ReplicatedLedgerOptions): Promise<RebasingLedger> {
  const { replica, lostDirectory, retryMs = 1000, lookEveryMs = 5000 } = options;
  const closed = new AbortController();
  const listeners = new Set<(state: ControlState) => void>();
  const waiters = createWaiters(() => () => undefined);
  let lookAt = 0;
  const store = options.openStore(() => {
    options.onInStep();
    // Whoever only follows sees the end, and nothing of what lies before it.
    if (performance.now() >= lookAt) inTurn(synchronize).catch(() => undefined);
  });
  let queue: Promise<unknown> = Promise.resolve();

  /** One at a time: between what the store says and what the replica takes nothing else may come. */
  const inTurn = <Value>(work: () => Promise<Value>): Promise<Value> => {
    const result = queue.then(work);
    queue = result.catch(() => undefined);
    return result;
  };

  const adopt = (entries: readonly LedgerEntry[]): void => {
    replica.adopt(entries);
    waiters.wake();
  };

  const pull = async (): Promise<void> => {
    let batch: LedgerEntry[] = [];
    for await (const entry of store.read(replica.head().sequence)) {
      batch.push(entry);
      if (batch.length < entriesAtOnce) continue;
      adopt(batch);
      batch = [];
    }
    adopt(batch);
  };

  const rebase = async (): Promise<void> => {
    const { recovery, ancestor, entries, state } = await recoverFork({ store, replica, lostDirectory });
    options.beforeRebase();
    replica.rewrite(ancestor, entries);
    for (const listener of listeners) listener(state);
    waiters.wake();
    options.onRecovery(recovery);
  };

  const synchronizeOnce = async (): Promise<void> => {
    const ours = replica.head();
    const theirs = await store.head();
    if (theirs.sequence >= ours.sequence && (await store.hashAt(ours.sequence)) === ours.hash)
      return theirs.sequence > ours.sequence ? pull() : undefined;
    if (theirs.sequence < ours.sequence && replica.hashAt(theirs.sequence) === theirs.hash)
      return options.onRecovery(await giveBack(store, replica, theirs));
    return rebase();
  };

  /** A store that lost its beginning, or a part in its middle, gets all that it had, from what this server has. */
  const keepWhole = async (): Promise<void> => {
    if (performance.now() < lookAt) return;
    const gap = findGap(await store.extent(), replica.hashAt(1));
    lookAt = performance.now() + lookEveryMs;
    if (gap === undefined) return;
    try {
      if (await store.replaceWith(replica.read(0))) options.onRecovery({ kind: 'mended', what: gap.what });
    } catch (error) {
      if (!(error instanceof LedgerUnavailable)) throw error;
      lookAt = performance.now() + mendAgainMs;
      options.onRecovery({ kind: 'holed', what: gap.what, reason: error.message });
    }
  };

  const synchronize = async (): Promise<void> => {
    for (let attempt = 0; ; attempt += 1) {
      try {
        await synchronizeOnce();
        await keepWhole();
        return options.onInStep();
      } catch (error) {
        // Another server was faster, with the same or with more.
        const isRace = error instanceof LedgerConflict || error instanceof RangeError;
        if (!isRace || attempt >= maxAttempts) throw error;
      }
    }
  };

  /** What was appended just now. @throws LedgerUnconfirmed: the store has it, whatever goes wrong here. */
  const takeOver = async (entries: readonly LedgerEntry[]): Promise<void> => {
    try {
      if (entries[0]?.previous === replica.head().hash) adopt(entries);
      else await synchronize();
    } catch (error) {
      if (!(error instanceof LedgerUnavailable)) throw error;
      throw new LedgerUnconfirmed('made', error.message, { cause: error });
    }
  };

  const assertOpen = (): void => {
    if (closed.signal.aborted) throw new LedgerUnavailable('the ledger is closed');
  };

  const follow = async (): Promise<void> => {
    while (!closed.signal.aborted) {
      let isFollowing = false;
      // After each connection that ended: it may be another server now, or the same with less.
      lookAt = 0;
      try {
        await inTurn(synchronize);
        isFollowing = true;
        for await (const { sequence } of store.follow(replica.head().sequence, closed.signal))
          if (sequence > replica.head().sequence) await inTurn(synchronize);
      } catch (error) {
        if (closed.signal.aborted) return;
        // What it gave is not there any more, or does not link: synchronizing says what happened, and mends it.
        if (isFollowing && !(error instanceof LedgerUnavailable)) continue;
        options.onTrouble(error as Error);
        await pause(error instanceof LedgerCorrupt ? 10 * retryMs : retryMs, closed.signal);
      }
    }
  };

  // The first time it is waited for: whoever starts shall know what happened meanwhile, if that can be known.
  try {
    await inTurn(synchronize);
  } catch (error) {
    if (!(error instanceof LedgerUnavailable)) {
      await store.close();
      replica.close();
      throw error;
    }
    options.onTrouble(error);
  }
  const following = follow();

  return {
    onRebase: (listener) => void listeners.add(listener),
    append(expectedHash, actor, events) {
      return inTurn(async () => {
        assertOpen();
        try {
          const entries = await store.append(expectedHash, actor, events);
          await takeOver(entries);
          options.onInStep();
          return entries;
        } catch (error) {
          // Whoever decides again needs to see what came between.
          if (error instanceof LedgerConflict) await synchronize();
          throw error;
        }
      });
    },
    async head() {
      assertOpen();
      // The newest that can be had.
      await inTurn(synchronize).catch((error: unknown) => {
        if (!(error instanceof LedgerUnavailable)) throw error;
      });
      return replica.head();
    },
    async *read(afterSequence) {
      assertOpen();
      yield* replica.read(afterSequence);
    },
    async *follow(afterSequence, signal) {
      const left = new AbortController();
      const ended = AbortSignal.any([signal, closed.signal, left.signal]);
      let position = afterSequence;
      try {
        while (!ended.aborted) {
          const more = waiters.wait(ended);
          // After a rebase the chain may be shorter than what was given of the one before.
          for (const entry of replica.read(Math.min(position, replica.head().sequence))) {
            if (ended.aborted) return;
            yield entry;
            position = entry.sequence;
          }
          await more;
        }
      } finally {
        left.abort();
      }
    },
    async close() {
      if (closed.signal.aborted) return;
      closed.abort();
      await store.close();
      await following;
      await queue;
      replica.close();
    },
  };
}
