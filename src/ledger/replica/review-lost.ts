import { renameSync } from 'node:fs';
import type { Refusal } from '../../contract/refusals.ts';
import type { LedgerHead } from '../../domain/control-state.ts';
import type { ControlEvent, LedgerEntry } from '../../domain/events.ts';
import { checkEvents } from '../check-events.ts';
import { parseEvent } from '../event-schema.ts';
import { applyEntry, emptyState } from '../fold.ts';
import { LedgerConflict } from '../ledger.ts';
import type { Ledger, LedgerReader } from '../ledger.ts';
import type { LostEntries } from './lost-entries.ts';
import { recoveryActor } from './recover.ts';

/** An entry that the store lost and went on without, as a person reviews it. */
export interface LostEntry {
  readonly entry: LedgerEntry;
  readonly event: ControlEvent;
  /** Whether the ledger has the same event again, since it was lost. */
  readonly isBack: boolean;
}

/** All lost entries, each once, in order. @throws LedgerCorrupt, LedgerUnavailable */
export async function reviewLost(
  ledger: LedgerReader,
  kept: readonly LostEntries[],
): Promise<readonly LostEntry[]> {
  if (kept.length === 0) return [];
  const since = Math.min(...kept.map(({ ancestor }) => ancestor.sequence));
  const present = new Set<string>();
  for await (const { data } of ledger.read(since)) present.add(data);
  const lost = new Map(kept.flatMap(({ entries }) => entries.map((entry) => [entry.hash, entry])));
  return [...lost.values()]
    .sort((a, b) => a.sequence - b.sequence || a.at - b.at)
    .map((entry) => ({ entry, event: parseEvent(entry.data), isBack: present.has(entry.data) }));
}

/**
 * Makes events again, all of them as one unit or none. @returns the new head, or why they cannot happen any more.
 * @throws LedgerCorrupt, LedgerUnavailable
 */
export async function makeAgain(
  ledger: Ledger,
  events: readonly ControlEvent[],
): Promise<LedgerHead | Refusal> {
  for (;;) {
    const state = emptyState();
    for await (const entry of ledger.read(0)) applyEntry(state, entry);
    const problem = checkEvents(state, events);
    if (problem !== undefined) return problem;
    try {
      const entries = await ledger.append(state.head.hash, recoveryActor, events);
      for (const entry of entries) applyEntry(state, entry);
      return state.head;
    } catch (error) {
      if (!(error instanceof LedgerConflict)) throw error;
    }
  }
}

/** A person has seen to them: they stay on the disk and are not shown any more. */
export function settleLost(kept: readonly LostEntries[]): void {
  for (const { path } of kept) renameSync(path, `${path}.settled`);
}
