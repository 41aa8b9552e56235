import { Type } from 'typebox';
import type { Static } from 'typebox';
import { roles } from '../../domain/administration.ts';
import { textLimits } from '../record/safe-text.ts';
import { metadata, ofRecord } from './ocsf.ts';
import { count, host, literal, literals, object, optional, orNull, string, text } from './parts.ts';
import { place } from './postern.ts';

/** Records of the control plane, exactly as this version writes them: the control process counts as worker 0. */
const { gateway: _, ...controlPlace } = place;
const ofControlRecord = {
  ...ofRecord,
  severity_id: literal(1, 'informational'),
  status_id: literal(1, 'success'),
  metadata: object(
    {
      ...metadata.properties,
      is_truncated: optional(literal(true, 'never')),
      profiles: Type.Tuple([Type.Literal('host')], { description: 'OCSF profiles whose attributes it has' }),
      correlation_uid: host('id of the request, or `ledger:` and the number of the entry'),
    },
    'of the record itself',
  ),
};

/** Who read what over the API: OCSF class 6003. */
export const AccessRecord = object({
  class_uid: literal(6003, 'number of the class'),
  class_name: literal('API Activity', 'its name'),
  category_uid: literal(6, 'Application Activity'),
  ...ofControlRecord,
  activity_id: literal(2, 'read'),
  activity_name: literal('Read', 'read'),
  type_uid: literal(600_302, 'class_uid × 100 + activity_id'),
  actor: object(
    {
      user: object(
        {
          name: host('name'),
          uid: host('the same'),
          groups: Type.Array(object({ name: Type.Enum(roles, { description: 'role' }) }), {
            minItems: 1,
            description: 'roles that the answer was given to',
          }),
        },
        'the administrator, or the API key',
      ),
    },
    'who',
  ),
  src_endpoint: Type.Union(
    [
      object({ ip: string('address of the connection') }),
      object({ name: literal('unknown', 'where there is none') }),
    ],
    { description: 'where from' },
  ),
  api: object(
    {
      operation: host('method and route'),
      request: object({ uid: host('id of the request') }, 'the request'),
      service: object({ name: literal('postern-control', 'the control plane') }, 'what was asked'),
    },
    'what was asked',
  ),
  unmapped: object(
    {
      postern: object(
        {
          target: Type.Record(Type.String(), host('text'), { description: 'what of it was asked for' }),
          count: count('how many devices, keys or records it showed'),
          ...controlPlace,
        },
        'our own',
      ),
    },
    'what OCSF has no attribute for',
  ),
});
export type AccessRecord = Static<typeof AccessRecord>;

/** The life of devices, policies and all else that the ledger holds: OCSF class 3004. */
export const ChangeRecord = object({
  class_uid: literal(3004, 'number of the class'),
  class_name: literal('Entity Management', 'its name'),
  category_uid: literal(3, 'Identity & Access Management'),
  ...ofControlRecord,
  activity_name: string(
    'Create, Update, Delete, Enroll, Activate, Deactivate, Suspend, Approve, Reject, Restore',
  ),
  actor: object(
    {
      user: object(
        {
          name: host('as the ledger has it'),
          type: literals(['Admin', 'System', 'Service'], 'a person, the installation itself, or an API key'),
          type_id: literals([2, 3, 4], 'number of the type'),
        },
        'who did it',
      ),
    },
    'who',
  ),
  entity: object(
    {
      type_id: Type.Integer({ description: 'number of the type; 99 where OCSF has none' }),
      type: string('Device, Policy, Group, App, Private Network, API Key, Signing Key …'),
      uid: host('id'),
      name: optional(host('name')),
    },
    'what it was done to',
  ),
  comment: optional(text(textLimits.detail, 'the reason that was given')),
  unmapped: object(
    {
      postern: object(
        {
          event: string('type of the event in the ledger'),
          entry: Type.Integer({ minimum: 1, description: 'its number there' }),
          entryHash: Type.String({ pattern: '^[0-9a-f]{64}$', description: 'its hash there' }),
          user: orNull(host('name'), 'whom it is about'),
          device: orNull(host('id'), 'which device it is about'),
          state: orNull(host('word'), 'state that the device is in from then on; role or use of a key'),
          ...controlPlace,
        },
        'our own',
      ),
    },
    'what OCSF has no attribute for',
  ),
});
export type ChangeRecord = Static<typeof ChangeRecord>;
