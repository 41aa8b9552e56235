import { isIP } from 'node:net';
import { metadataObject } from './envelope.ts';
import type { Origin, Place } from './envelope.ts';
import { asciiJson, bound, textLimits } from './safe-text.ts';

/** One answer that showed an administrator what the control plane knows about people. */
export interface Access {
  /** Identifier of the request, as its answer bears it where it is refused. */
  readonly id: string;
  /** Epoch milliseconds. */
  readonly at: number;
  readonly actor: string;
  readonly roles: readonly string[];
  /** Numeric, of the connection. */
  readonly address: string;
  /** Method and route: `GET /v1/devices/:id`. */
  readonly operation: string;
  /** What of it was asked for, such as `id: d-x2k7`, as texts that the client chose. */
  readonly target: Readonly<Record<string, string>>;
  /** How many devices, keys, records it showed. */
  readonly count: number;
}

/** Whose chain a record is of, as flow records say it: the control process counts as worker 0. */
export interface Chain {
  readonly boot: string;
  readonly worker: number;
  readonly workerStartedAt: number;
}

/** The line of a record, without its line feed. */
export function formatAccess(access: Access, place: Place, origin: Origin, chain: Chain): string {
  const actor = bound(access.actor, textLimits.host);
  const id = bound(access.id, textLimits.host);
  return asciiJson({
    class_uid: 6003,
    class_name: 'API Activity',
    category_uid: 6,
    activity_id: 2,
    activity_name: 'Read',
    type_uid: 600302,
    time: Math.trunc(access.at),
    severity_id: 1,
    status_id: 1,
    metadata: metadataObject(origin, ['host'], place, id),
    actor: { user: { name: actor, uid: actor, groups: access.roles.map((name) => ({ name })) } },
    src_endpoint: isIP(access.address) === 0 ? { name: 'unknown' } : { ip: access.address },
    api: {
      operation: bound(access.operation, textLimits.host),
      request: { uid: id },
      service: { name: 'postern-control' },
    },
    unmapped: {
      postern: {
        target: Object.fromEntries(
          Object.entries(access.target).map(([key, value]) => [key, bound(value, textLimits.host)]),
        ),
        count: access.count,
        ...chain,
        lost: place.lost,
        previous: place.previous,
      },
    },
  });
}
