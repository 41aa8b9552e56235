import type { ControlEvent, LedgerEntry } from '../../domain/events.ts';
import type { Chain } from './access-record.ts';
import { entityActivity } from './entity-activity.ts';
import { metadataObject } from './envelope.ts';
import type { Origin, Place } from './envelope.ts';
import type { ChangeRecord } from '../schema/control.ts';
import { asciiJson, bound, textLimits } from './safe-text.ts';
import { uuidV7Of } from './uuid.ts';

/** The line of a record, without its line feed. */
export function formatChange(
  entry: LedgerEntry,
  { event, user }: { readonly event: ControlEvent; readonly user: string | undefined },
  place: Place,
  origin: Origin,
  chain: Chain,
): string {
  const { activity, entity, device, state, reason } = entityActivity(event);
  const [activityId, activityName] = activity;
  const short = (value: string | undefined): string | null =>
    value === undefined ? null : bound(value, textLimits.host);
  return asciiJson({
    class_uid: 3004,
    class_name: 'Entity Management',
    category_uid: 3,
    activity_id: activityId,
    activity_name: activityName,
    type_uid: 300_400 + activityId,
    time: entry.at,
    severity_id: 1,
    status_id: 1,
    metadata: metadataObject(
      origin,
      ['host'],
      { ...place, uid: uuidV7Of(entry.at, entry.hash) },
      `ledger:${entry.sequence}`,
    ),
    actor: { user: { name: bound(entry.actor, textLimits.host), ...actorType(entry.actor) } },
    entity: {
      ...entity,
      uid: bound(entity.uid, textLimits.host),
      ...(entity.name === undefined ? {} : { name: bound(entity.name, textLimits.host) }),
    },
    ...(reason === undefined ? {} : { comment: bound(reason, textLimits.detail) }),
    unmapped: {
      postern: {
        event: event.type,
        entry: entry.sequence,
        entryHash: entry.hash,
        user: short(user),
        device: short(device),
        state: short(state),
        ...chain,
        lost: place.lost,
        previous: place.previous,
      },
    },
  } satisfies ChangeRecord);
}

function actorType(
  actor: string,
): ChangeRecord['actor']['user'] extends infer User ? Omit<User, 'name'> : never {
  if (actor.startsWith('api-key:')) return { type: 'Service', type_id: 4 };
  return actor.startsWith('postern:') || actor.startsWith('device:')
    ? { type: 'System', type_id: 3 }
    : { type: 'Admin', type_id: 2 };
}
