import type { ControlState, LedgerHead } from '../domain/control-state.ts';
import { applyEntry, emptyState } from './fold.ts';
import { LedgerCorrupt } from './ledger.ts';
import type { LedgerReader } from './ledger.ts';
import { readSnapshot } from './snapshot-file.ts';

export interface LoadedState {
  readonly state: ControlState;
  /** Where the snapshot ended that it began with; sequence 0 without one. */
  readonly snapshotHead: LedgerHead;
}

/**
 * Folds the ledger into a state, from the snapshot where it can be used. One that is damaged or of another version is
 * named to `onSnapshotProblem`, and the whole log is folded.
 * @throws LedgerCorrupt, LedgerUnavailable. An intact snapshot of an entry that the ledger does not have is not passed
 * over: entries are on disk before any snapshot of them, so the ledger was cut off or replaced by another.
 */
export async function loadState(
  ledger: LedgerReader,
  snapshotPath: string | undefined,
  onSnapshotProblem: (problem: string) => void,
): Promise<LoadedState> {
  const state = (await loadSnapshot(ledger, snapshotPath, onSnapshotProblem)) ?? emptyState();
  const snapshotHead = state.head;
  for await (const entry of ledger.read(snapshotHead.sequence)) applyEntry(state, entry);
  return { state, snapshotHead };
}

async function loadSnapshot(
  ledger: LedgerReader,
  path: string | undefined,
  onProblem: (problem: string) => void,
): Promise<ControlState | undefined> {
  const snapshot = path === undefined ? undefined : readSnapshot(path);
  if (snapshot === undefined) return undefined;
  if ('problem' in snapshot) {
    onProblem(snapshot.problem);
    return undefined;
  }
  const { sequence, hash } = snapshot.head;
  if ((await hashAt(ledger, sequence)) === hash) return snapshot;
  throw new LedgerCorrupt(
    sequence,
    `ledger does not have entry ${sequence} as its snapshot ${path} knows it: it was cut off or replaced. If that was meant, delete the snapshot`,
  );
}

async function hashAt(ledger: LedgerReader, sequence: number): Promise<string | undefined> {
  const { sequence: last } = await ledger.head();
  if (sequence < 1 || sequence > last) return undefined;
  for await (const entry of ledger.read(sequence - 1)) return entry.hash;
  return undefined;
}
