import { isIP } from 'node:net';
import { Type } from 'typebox';
import type { Static } from 'typebox';
import { roles } from '../domain/administration.ts';
import { ocsfVersion } from './envelope.ts';
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

const strict = { additionalProperties: false } as const;
const text = Type.String({ maxLength: textLimits.host });
const EpochMs = Type.Integer({ minimum: 0 });

/** Records of access exactly as this version writes them: OCSF class 6003, narrowed. */
export const AccessRecord = Type.Object(
  {
    class_uid: Type.Literal(6003),
    class_name: Type.Literal('API Activity'),
    category_uid: Type.Literal(6),
    activity_id: Type.Literal(2),
    activity_name: Type.Literal('Read'),
    type_uid: Type.Literal(600302),
    time: EpochMs,
    severity_id: Type.Literal(1),
    status_id: Type.Literal(1),
    metadata: Type.Object(
      {
        version: Type.Literal(ocsfVersion),
        product: Type.Object(
          { name: Type.Literal('Postern'), vendor_name: Type.Literal('Postern'), version: Type.String() },
          strict,
        ),
        tenant_uid: Type.String(),
        profiles: Type.Tuple([Type.Literal('host')]),
        uid: Type.String(),
        sequence: Type.Integer({ minimum: 1 }),
        logged_time: EpochMs,
        correlation_uid: text,
      },
      strict,
    ),
    actor: Type.Object(
      {
        user: Type.Object(
          {
            name: text,
            uid: text,
            groups: Type.Array(Type.Object({ name: Type.Enum(roles) }, strict), { minItems: 1 }),
          },
          strict,
        ),
      },
      strict,
    ),
    src_endpoint: Type.Union([
      Type.Object({ ip: Type.String() }, strict),
      Type.Object({ name: Type.Literal('unknown') }, strict),
    ]),
    api: Type.Object(
      {
        operation: text,
        request: Type.Object({ uid: text }, strict),
        service: Type.Object({ name: Type.Literal('postern-control') }, strict),
      },
      strict,
    ),
    unmapped: Type.Object(
      {
        postern: Type.Object(
          {
            target: Type.Record(Type.String(), text),
            count: Type.Integer({ minimum: 0 }),
            boot: Type.String(),
            worker: Type.Integer(),
            workerStartedAt: EpochMs,
            lost: Type.Integer({ minimum: 0 }),
            previous: Type.String({ pattern: '^[0-9a-f]{64}$' }),
          },
          strict,
        ),
      },
      strict,
    ),
  },
  strict,
);
export type AccessRecord = Static<typeof AccessRecord>;

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
    metadata: {
      version: ocsfVersion,
      product: { name: 'Postern', vendor_name: 'Postern', version: origin.productVersion },
      tenant_uid: origin.domain,
      profiles: ['host'],
      uid: place.uid,
      sequence: place.sequence,
      logged_time: place.loggedTime,
      correlation_uid: id,
    },
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
