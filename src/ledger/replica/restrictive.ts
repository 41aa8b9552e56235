import type { ControlState } from '../../domain/control-state.ts';
import type { DeviceState } from '../../domain/device.ts';
import type { ControlEvent, ControlEventType, LedgerEntry } from '../../domain/events.ts';
import { findContradiction } from '../contradiction.ts';
import { parseEvent } from '../event-schema.ts';
import { applyEvent, copyState } from '../fold.ts';
import { policiesOf, takesAccess } from './restrictive-policies.ts';

/**
 * Whether an event takes something away from someone, so that to lose it would let them back in: it is then made again
 * by itself. What gives something is left to a person. Every type of event has to say; where in doubt, `true`.
 */
const restricts: Readonly<Record<ControlEventType, boolean>> = {
  'organization-created': false,
  'key-published': false,
  'key-retired': true,
  'api-key-created': false,
  'api-key-revoked': true,
  'enrollment-token-created': false,
  'enrollment-token-withdrawn': true,
  // It uses up a one-time token.
  'device-enrolled': true,
  'device-bundle-made': false,
  'device-posture-accepted': false,
  'device-certificate-renewed': false,
  'device-state-changed': true,
  'sign-in-ended': true,
  'person-erased': true,
  'change-proposed': false,
  'change-approved': false,
  'change-rejected': true,
  // Of policies some do: what they say is looked at.
  'resource-put': false,
  'resource-deleted': false,
  'installation-restored': false,
};

const strictness: Readonly<Record<DeviceState, number>> = {
  enrolled: 0,
  active: 0,
  quarantined: 1,
  lost: 2,
  revoked: 3,
};

/**
 * The events to make again, in order, so that whoever was shut out in `before`, the state with the lost entries, is shut
 * out in `after`, the state of the chain without them. What that chain has since had itself, this server or another made
 * again already, or a person undid: `since` is its entries after the last common one. What contradicts the new chain, such as a token that another
 * device has used meanwhile, is left out: it is among what a person is shown.
 */
export function restrictiveEvents(
  lost: readonly LedgerEntry[],
  before: ControlState,
  after: ControlState,
  since: readonly LedgerEntry[],
): ControlEvent[] {
  const present = new Set(since.map(({ data }) => data));
  const touched = policiesOf(since);
  const draft = copyState(after);
  const events: ControlEvent[] = [];
  for (const entry of lost) {
    const event = parseEvent(entry.data);
    if (present.has(entry.data)) continue;
    const isStrict = restricts[event.type]
      ? isStricter(event, before, draft)
      : takesAccess(event, before, draft, touched);
    if (!isStrict) continue;
    if (findContradiction(draft, event) !== undefined) continue;
    applyEvent(draft, event, entry);
    events.push(event);
  }
  return events;
}

/** A quarantine that was lifted again, or a device that is shut out more strictly now, is left as it is. */
function isStricter(event: ControlEvent, before: ControlState, draft: ControlState): boolean {
  if (event.type !== 'device-state-changed') return true;
  const now = draft.devices.get(event.device)?.state;
  return (
    before.devices.get(event.device)?.state === event.state &&
    (now === undefined || strictness[event.state] > strictness[now])
  );
}
