import type { Recorder } from './context.ts';
import { metadataObject } from './envelope.ts';
import type { Origin, Place } from './envelope.ts';
import { asciiJson } from './safe-text.ts';

/** What a worker records that is not one flow: findings, and of itself. */
export interface ServiceRecord {
  readonly classUid: 2004 | 3004;
  readonly className: string;
  readonly activityId: number;
  readonly activityName: string;
  /** Epoch milliseconds. */
  readonly time: number;
  readonly severityId: 1 | 2 | 3 | 4 | 5;
  readonly statusId: 1 | 4;
  readonly profiles: readonly string[];
  /** What the record is found by beside its own id. */
  readonly correlation: string;
  /** Members of the class. */
  readonly members: object;
  /** Members of `unmapped.postern` that only this kind has. */
  readonly postern: object;
}

/** The line of a record, without its line feed. What is bounded in it was bounded by whoever built it. */
export function formatServiceRecord(
  record: ServiceRecord,
  place: Place,
  origin: Origin,
  { gateway, bootId, worker, workerStartedAt }: Recorder,
): string {
  const { classUid, activityId } = record;
  return asciiJson({
    class_uid: classUid,
    class_name: record.className,
    category_uid: Math.floor(classUid / 1000),
    activity_id: activityId,
    activity_name: record.activityName,
    type_uid: classUid * 100 + activityId,
    time: Math.trunc(record.time),
    severity_id: record.severityId,
    status_id: record.statusId,
    metadata: metadataObject(origin, record.profiles, place, record.correlation),
    ...record.members,
    unmapped: {
      postern: {
        gateway,
        boot: bootId,
        worker,
        workerStartedAt,
        ...record.postern,
        lost: place.lost,
        previous: place.previous,
      },
    },
  });
}
