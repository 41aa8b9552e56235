import { Type } from 'typebox';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import type { Validator } from 'typebox/compile';
import { roles, scopePattern } from '../domain/administration.ts';
import { chosenStates, deviceRoles } from '../domain/device.ts';
import type { ControlEvent, ControlEventType } from '../domain/events.ts';
import { resourceKinds, resourceSchemas } from '../domain/resources.ts';

const strict = { additionalProperties: false } as const;
const Id = Type.String({ minLength: 1, maxLength: 254 });
const EpochSeconds = Type.Integer({ minimum: 0 });
const Sha256 = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });
const Role = Type.Enum(deviceRoles);
const Coordinate = Type.String({ pattern: '^[A-Za-z0-9_-]{43}$' });

const Certificate = Type.Object(
  {
    serial: Type.String({ pattern: '^[1-9A-F][0-9A-F]{0,39}$' }),
    thumbprint: Sha256,
    notAfter: EpochSeconds,
    managed: Type.Optional(Type.Literal(true)),
  },
  strict,
);

const PublishedKey = Type.Object(
  {
    kid: Id,
    use: Type.Union([Type.Literal('session'), Type.Literal('assertion')]),
    jwk: Type.Object(
      { kty: Type.Literal('EC'), crv: Type.Literal('P-256'), x: Coordinate, y: Coordinate },
      strict,
    ),
    publishedAt: EpochSeconds,
    retiredAt: Type.Optional(EpochSeconds),
  },
  strict,
);

const event = (type: ControlEventType, members: Record<string, TSchema>): TSchema =>
  Type.Object({ type: Type.Literal(type), ...members }, strict);

/** What each event must look like in the log. The log is an edge: its text may come from another version, or a forger. */
export const eventSchemas: Readonly<Record<ControlEventType, TSchema>> = {
  'organization-created': event('organization-created', {
    domain: Type.String({ pattern: '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$' }),
  }),
  'key-published': event('key-published', { key: PublishedKey }),
  'key-retired': event('key-retired', { kid: Id }),
  'api-key-created': event('api-key-created', {
    id: Id,
    name: Id,
    secretHash: Sha256,
    role: Type.Optional(Type.Enum(roles)),
    scopes: Type.Optional(Type.Array(Type.String({ pattern: scopePattern }), { minItems: 1, maxItems: 100 })),
    expiresAt: Type.Optional(EpochSeconds),
  }),
  'api-key-revoked': event('api-key-revoked', { id: Id }),
  'enrollment-token-created': event('enrollment-token-created', {
    id: Id,
    secretHash: Sha256,
    user: Id,
    role: Role,
    network: Type.Optional(Id),
    protocol: Type.Optional(Type.Literal('scep')),
    expiresAt: EpochSeconds,
  }),
  'enrollment-token-withdrawn': event('enrollment-token-withdrawn', { id: Id }),
  'device-enrolled': event('device-enrolled', {
    device: Id,
    enrollmentToken: Id,
    user: Id,
    role: Role,
    network: Type.Optional(Id),
    certificate: Certificate,
    state: Type.Optional(Type.Literal('enrolled')),
  }),
  'device-bundle-made': event('device-bundle-made', { device: Id, user: Id, certificate: Certificate }),
  'device-posture-accepted': event('device-posture-accepted', { device: Id }),
  'device-certificate-renewed': event('device-certificate-renewed', {
    device: Id,
    certificate: Certificate,
    late: Type.Optional(Type.Literal(true)),
    awaits: Type.Optional(Type.Literal('sign-in')),
  }),
  'device-state-changed': event('device-state-changed', {
    device: Id,
    state: Type.Enum(chosenStates),
    reason: Type.String({ maxLength: 500 }),
  }),
  'sign-in-ended': event('sign-in-ended', { id: Id, user: Id, reason: Type.String({ maxLength: 500 }) }),
  'person-erased': event('person-erased', {
    person: Type.String({ pattern: '^[0-9a-f]{16}$' }),
    reason: Type.String({ maxLength: 500 }),
  }),
  'change-proposed': event('change-proposed', {
    id: Id,
    changes: Type.Array(
      Type.Union([
        Type.Object({ resource: Type.Union(Object.values(resourceSchemas)), was: Type.Optional(Id) }, strict),
        Type.Object({ kind: Type.Enum(resourceKinds), name: Id, was: Type.Optional(Id) }, strict),
      ]),
      { minItems: 1 },
    ),
    expiresAt: EpochSeconds,
  }),
  'change-approved': event('change-approved', { id: Id }),
  'change-rejected': event('change-rejected', { id: Id, reason: Type.String({ maxLength: 500 }) }),
  'resource-put': event('resource-put', { resource: Type.Union(Object.values(resourceSchemas)) }),
  'resource-deleted': event('resource-deleted', {
    kind: Type.Enum(resourceKinds),
    name: Id,
  }),
  'installation-restored': event('installation-restored', { from: EpochSeconds }),
};

const validators = new Map<string, Validator>();

function validatorOf(type: ControlEventType): Validator {
  let validator = validators.get(type);
  if (validator === undefined) {
    validator = Compile(eventSchemas[type]);
    validators.set(type, validator);
  }
  return validator;
}

/** The text of an event is not one that this version understands. It is never skipped: what it meant is unknown. */
export class EventNotUnderstood extends Error {
  override readonly name = 'EventNotUnderstood';
}

/**
 * Parses the stored text of an event.
 * @throws EventNotUnderstood naming the type that this version does not know, or the member that is wrong.
 */
export function parseEvent(data: string): ControlEvent {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    throw new EventNotUnderstood('event is not JSON');
  }
  const problem = checkEventShape(value);
  if (problem !== undefined) throw new EventNotUnderstood(problem);
  return value as ControlEvent;
}

/** Why a value is no event that can be stored, if it is not. */
export function checkEventShape(value: unknown): string | undefined {
  const type = value !== null && typeof value === 'object' && 'type' in value ? value.type : undefined;
  if (typeof type !== 'string') return 'event has no type';
  if (!Object.hasOwn(eventSchemas, type))
    return `event type ${JSON.stringify(type.slice(0, 80))} is not known to this version`;
  const validator = validatorOf(type as ControlEventType);
  if (validator.Check(value)) return undefined;
  const [first] = validator.Errors(value);
  return `event ${type} is malformed at ${first?.instancePath || '/'}: ${first?.message ?? 'wrong shape'}`;
}
