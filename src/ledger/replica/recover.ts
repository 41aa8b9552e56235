import type { ControlState, LedgerHead } from '../../domain/control-state.ts';
import type { LedgerEntry } from '../../domain/events.ts';
import { applyEntry, copyState, emptyState } from '../fold.ts';
import { LedgerConflict, LedgerCorrupt } from '../ledger.ts';
import type { MendableLedger } from '../ledger.ts';
import { findGap } from './gap.ts';
import { keepLostEntries } from './lost-entries.ts';
import type { Replica } from './replica.ts';
import { restrictiveEvents } from './restrictive.ts';

/** How the store had left the chain that this server knows. */
export type Recovery = ChainRecovery | GapRecovery;

/**
 * The store had kept the end of what this server has, and not all before it. `mended`: it has the rest back as it was.
 * `holed`: it could not be given it; this server goes by what it has itself, and tries again.
 */
export interface GapRecovery {
  readonly kind: 'mended' | 'holed';
  /** As `Gap`. */
  readonly what: string;
  /** Of `holed`. */
  readonly reason?: string;
}

export interface ChainRecovery {
  /**
   * `rewound`: it had lost its end, and has it back as it was. `forked`: it went on without what it had lost; this
   * server follows it, and what restricts was made again.
   */
  readonly kind: 'rewound' | 'forked';
  /** The last entry that both have. */
  readonly ancestor: number;
  readonly lostEntries: number;
  /** Of `forked`: how many events were made again by this server; another may have done it. */
  readonly madeAgain?: number;
  /** Of `forked`: where the lost entries are kept for a person. */
  readonly keptIn?: string;
}

export const recoveryActor = 'postern:recovery';
const entriesAtOnce = 500;

/** The store has the beginning of what we have: it gets the rest, byte for byte. @throws LedgerConflict when another was faster. */
export async function giveBack(
  store: MendableLedger,
  replica: Replica,
  theirs: LedgerHead,
): Promise<ChainRecovery> {
  let batch: LedgerEntry[] = [];
  let count = 0;
  for (const entry of replica.read(theirs.sequence)) {
    batch.push(entry);
    count += 1;
    if (batch.length < entriesAtOnce) continue;
    await store.restore(batch);
    batch = [];
  }
  await store.restore(batch);
  return { kind: 'rewound', ancestor: theirs.sequence, lostEntries: count };
}

/**
 * The store went on without what it lost. Its chain is the one that others follow, so ours gives way, but not before
 * everything that restricts is in it again: until then our state stands, at least as strict. Every server that saw the
 * loss does this at once; appends are optimistic, and who comes late finds nothing left to do.
 * @throws LedgerCorrupt for a store that holds another installation's ledger.
 */
export async function recoverFork(parts: {
  readonly store: MendableLedger;
  readonly replica: Replica;
  readonly lostDirectory: string;
}): Promise<{
  readonly recovery: ChainRecovery;
  readonly ancestor: number;
  readonly entries: readonly LedgerEntry[];
  readonly state: ControlState;
}> {
  const { store, replica, lostDirectory } = parts;
  const ancestor = await findAncestor(store, replica);
  if (ancestor === 0) {
    const gap = findGap(await store.extent());
    throw new LedgerCorrupt(
      1,
      gap === undefined
        ? 'the store holds the ledger of another installation, or one that was made anew'
        : `the store has lost ${gap.what}, and this server has not seen what it kept: a server that has must run, or a backup be restored`,
    );
  }
  const base = emptyState();
  const lost: LedgerEntry[] = [];
  const before = emptyState();
  for (const entry of replica.read(0)) {
    if (entry.sequence <= ancestor) applyEntry(base, entry);
    else lost.push(entry);
    applyEntry(before, entry);
  }
  const keptIn = keepLostEntries(lostDirectory, { ancestor: base.head, entries: lost });

  let madeAgain = 0;
  for (;;) {
    const entries = await Array.fromAsync(store.read(ancestor));
    const state = copyState(base);
    for (const entry of entries) applyEntry(state, entry);
    const events = restrictiveEvents(lost, before, state, entries);
    if (events.length === 0) {
      const recovery = {
        kind: 'forked' as const,
        ancestor,
        lostEntries: lost.length,
        madeAgain,
        ...(keptIn === undefined ? {} : { keptIn }),
      };
      return { recovery, ancestor, entries, state };
    }
    try {
      await store.append(state.head.hash, recoveryActor, events);
      madeAgain += events.length;
    } catch (error) {
      if (!(error instanceof LedgerConflict)) throw error;
    }
  }
}

/** Two chains are equal up to some entry and nowhere after it. What the store lost on the way is passed over. */
async function findAncestor(store: MendableLedger, replica: Replica): Promise<number> {
  let equal = 0;
  let beyond = Math.min((await store.head()).sequence, replica.head().sequence) + 1;
  while (beyond - equal > 1) {
    const middle = Math.floor((equal + beyond) / 2);
    const kept = await store.firstFrom(middle);
    if (kept !== undefined && kept.sequence < beyond && replica.hashAt(kept.sequence) === kept.hash)
      equal = kept.sequence;
    else beyond = middle;
  }
  return equal;
}
