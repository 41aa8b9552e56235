import type { ClockOffset } from '../../contract/ipc.ts';
import { bound } from './safe-text.ts';
import type { ServiceRecord } from './service-record.ts';

/** How far a sink is behind the records, as whoever feeds it knows. */
export interface SinkLag {
  readonly name: string;
  /** Records that it has not acknowledged, and the age of the oldest of them. */
  readonly records: number;
  readonly seconds: number;
}

export interface Heartbeat {
  /** Epoch milliseconds. */
  readonly at: number;
  /** Names the chain, as its files do. */
  readonly stream: string;
  /** Records that wait in memory for the disk; bytes of all record files in the directory, and what the disk has left. */
  readonly spool: { readonly waiting: number; readonly bytes: number; readonly freeBytes: number };
  readonly sinks: readonly SinkLag[];
  readonly clock: ClockOffset;
}

/**
 * That a worker lives and records, also while nothing happens: silence then means something. Of the classes that we write
 * it is Entity Management (3004), which is about a service reporting on what it manages and, other than API Activity or
 * Tunnel Activity, needs no caller and no endpoint that we would have to make up: the managed entity is the chain.
 */
export function heartbeatRecord({ at, stream, spool, sinks, clock }: Heartbeat): ServiceRecord {
  return {
    classUid: 3004,
    className: 'Entity Management',
    activityId: 99,
    activityName: 'Heartbeat',
    time: at,
    severityId: 1,
    statusId: 1,
    profiles: [],
    correlation: stream,
    members: { entity: { name: stream, type_id: 99, type: 'Flow Record Chain' } },
    postern: {
      spool,
      sinks: sinks.map(({ name, records, seconds }) => ({ name: bound(name, 64), records, seconds })),
      clock,
    },
  };
}
