import type { ControlState } from '../domain/control-state.ts';
import type { ControlEvent } from '../domain/events.ts';
import type { Administrator } from '../domain/resources.ts';

/**
 * What makes the administrators of a backup those of a later ledger as well: who was thrown out of one, or is an owner no
 * more, does not come back. Where two cannot be compared (another claim, other roles that are no owner's), it is
 * deleted: neither what was taken nor what was given since may come of it.
 */
export function* narrowAdministrators(backup: ControlState, survivor: ControlState): Generator<ControlEvent> {
  for (const [name, known] of backup.administrators) {
    const later = survivor.administrators.get(name);
    const kept = later === undefined ? undefined : common(known, later);
    if (kept === undefined) yield { type: 'resource-deleted', kind: 'Administrator', name };
    else if (!isSame(kept, known)) yield { type: 'resource-put', resource: kept };
  }
}

function common(known: Administrator, later: Administrator): Administrator | undefined {
  const role = later.role === 'owner' ? known.role : later.role;
  if (role !== known.role && known.role !== 'owner') return undefined;
  if (!Array.isArray(known.members) || !Array.isArray(later.members))
    return isSame(known.members, later.members) ? { ...known, role } : undefined;
  const remaining = new Set<string>(later.members);
  const members = known.members.filter((member) => remaining.has(member));
  return members.length === 0 && known.members.length > 0 ? undefined : { ...known, role, members };
}

// Both come from events, whose text is as it was written.
const isSame = (one: unknown, other: unknown): boolean => JSON.stringify(one) === JSON.stringify(other);
