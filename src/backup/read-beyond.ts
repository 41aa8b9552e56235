import type { DatabaseSync } from 'node:sqlite';
import type { ControlState } from '../domain/control-state.ts';
import type { ControlEvent, LedgerEntry } from '../domain/events.ts';
import { verifyEntry } from '../ledger/chain.ts';
import { findContradiction } from '../ledger/contradiction.ts';
import { EventNotUnderstood, parseEvent } from '../ledger/event-schema.ts';
import { applyEvent, copyState } from '../ledger/fold.ts';
import { LedgerCorrupt } from '../ledger/ledger.ts';
import type { MendableLedger } from '../ledger/ledger.ts';
import { guarded } from '../ledger/sqlite/sqlite-errors.ts';

/** Entries behind a damage: each is as it was written, which its own hash says; what lay between them is not known. */
export interface Beyond {
  readonly entries: readonly LedgerEntry[];
  /** How many numbers there are behind the last whole entry. */
  readonly outOf: number;
}

const maxUnknown = 1_000_000;

/** Those of a file, one by one: a damaged page takes what is on it, and nothing else. */
export function readRowsBeyond(
  database: DatabaseSync,
  path: string,
  after: number,
  acknowledged = 0,
): Beyond {
  const last = attempt(() => {
    const row = guarded(path, 0, () => database.prepare('SELECT max(sequence) AS last FROM entries').get());
    return Number(row?.['last'] ?? 0);
  });
  const select = attempt(() =>
    guarded(path, 0, () =>
      database.prepare('SELECT sequence, at, actor, data, previous, hash FROM entries WHERE sequence = ?'),
    ),
  );
  // A damaged number must not send us looking for ever.
  const end = Math.min(Math.max(last ?? 0, acknowledged), Math.max(after, acknowledged) + maxUnknown);
  const entries: LedgerEntry[] = [];
  for (let sequence = after + 1; sequence <= end; sequence += 1) {
    const row = attempt(() => guarded(path, sequence, () => select?.get(sequence)));
    if (row !== undefined && isTrue(row as unknown as LedgerEntry))
      entries.push(row as unknown as LedgerEntry);
  }
  return { entries, outOf: Math.max(0, end - after) };
}

/** Those of a ledger in Redis. @throws LedgerUnavailable */
export async function readStoredBeyond(ledger: MendableLedger, after: number): Promise<Beyond> {
  const entries: LedgerEntry[] = [];
  const end = (await ledger.extent()).last.sequence;
  for (let sequence = after + 1; sequence <= end; sequence += 1) {
    try {
      const entry = await ledger.firstFrom(sequence);
      if (entry === undefined) break;
      sequence = entry.sequence;
      if (isTrue(entry)) entries.push(entry);
    } catch (error) {
      // No entry of ours: the next may be one.
      if (!(error instanceof LedgerCorrupt)) throw error;
    }
  }
  return { entries, outOf: end - after };
}

function attempt<Value>(work: () => Value): Value | undefined {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof LedgerCorrupt)) throw error;
    return undefined;
  }
}

const isTrue = (entry: LedgerEntry): boolean =>
  attempt(() => {
    verifyEntry({ sequence: entry.sequence - 1, hash: entry.previous }, entry);
    return true;
  }) === true;

/**
 * What a state comes to with the entries behind a damage, as far as they make sense without those that are gone. For
 * finding out what was taken from someone, and for nothing else.
 */
export function foldBeyond(state: ControlState, entries: readonly LedgerEntry[]): ControlState {
  const later = copyState(state);
  for (const entry of entries) {
    if (entry.sequence <= state.head.sequence) continue;
    const event = understand(entry);
    if (event !== undefined && findContradiction(later, event) === undefined) applyEvent(later, event, entry);
  }
  return later;
}

/** Undefined for what a later version wrote. */
function understand({ data }: LedgerEntry): ControlEvent | undefined {
  try {
    return parseEvent(data);
  } catch (error) {
    if (!(error instanceof EventNotUnderstood)) throw error;
    return undefined;
  }
}
