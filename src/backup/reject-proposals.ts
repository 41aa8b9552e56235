import type { ControlState } from '../domain/control-state.ts';
import type { ControlEvent } from '../domain/events.ts';
import type { Survivor } from './read-survivor.ts';

/**
 * What takes the changes out of a restored ledger that waited when the backup was taken. Someone may have rejected one since, so
 * one waits on only where it is known that it still did: in a later ledger that is whole, and in every other later one
 * as well. `backupHead` is the number of the backup's last entry.
 */
export function rejectProposals(
  backup: Pick<ControlState, 'proposals'>,
  survivors: readonly Pick<Survivor, 'state' | 'problem'>[],
  backupHead: number,
): ControlEvent[] {
  const later = survivors.filter(({ state }) => state.head.sequence >= backupHead);
  const isTold = later.some(({ problem }) => problem === undefined);
  return [...backup.proposals.keys()]
    .filter((id) => !isTold || later.some(({ state }) => !state.proposals.has(id)))
    .map((id) => ({ type: 'change-rejected', id, reason: isTold ? notWaiting : unknown }));
}

const notWaiting = 'did not wait any more when the backup was restored';
const unknown = 'whether it still waited when the backup was restored is not known';
