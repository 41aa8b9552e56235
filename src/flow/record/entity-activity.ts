import type { ControlEvent } from '../../domain/events.ts';
import type { ResourceKind } from '../../domain/resources.ts';

/** An entry of the ledger as OCSF's Entity Management sees it: what was done to which entity. */
export interface EntityActivity {
  readonly activity: readonly [id: number, name: string];
  readonly entity: {
    readonly type_id: number;
    readonly type: string;
    readonly uid: string;
    readonly name?: string;
  };
  /** Whose it is, or whom it concerns. */
  readonly user?: string;
  readonly device?: string;
  /** What else the SOC wants to know, in stable words. */
  readonly state?: string;
  readonly reason?: string;
}

const activities = {
  create: [1, 'Create'],
  update: [3, 'Update'],
  delete: [4, 'Delete'],
  enroll: [6, 'Enroll'],
  activate: [10, 'Activate'],
  deactivate: [11, 'Deactivate'],
  suspend: [12, 'Suspend'],
  approve: [99, 'Approve'],
  reject: [99, 'Reject'],
  restore: [99, 'Restore'],
} as const satisfies Record<string, readonly [number, string]>;

/** OCSF has a number for some kinds of entities; others are 99 under our own name. */
const kinds: Readonly<Partial<Record<string, number>>> = {
  Device: 1,
  User: 2,
  Group: 3,
  Organization: 4,
  Policy: 5,
};
const kindName = (kind: ResourceKind): string => (kind === 'Network' ? 'Private Network' : kind);

const entity = (type: string, uid: string, name?: string): EntityActivity['entity'] => ({
  type_id: kinds[type] ?? 99,
  type,
  uid,
  ...(name === undefined ? {} : { name }),
});
const device = (id: string): Pick<EntityActivity, 'entity' | 'device'> => ({
  entity: entity('Device', id),
  device: id,
});

/** What an event of the ledger does to what. Secrets are not in events, but for their hashes, which are left out here. */
export function entityActivity(event: ControlEvent): EntityActivity {
  switch (event.type) {
    case 'organization-created':
      return { activity: activities.create, entity: entity('Organization', event.domain) };
    case 'key-published':
      return {
        activity: activities.create,
        entity: entity('Signing Key', event.key.kid),
        state: event.key.use,
      };
    case 'key-retired':
      return { activity: activities.delete, entity: entity('Signing Key', event.kid) };
    case 'api-key-created':
      return {
        activity: activities.create,
        entity: entity('API Key', event.id, event.name),
        state: event.role ?? 'owner',
      };
    case 'api-key-revoked':
      return { activity: activities.delete, entity: entity('API Key', event.id) };
    case 'enrollment-token-created':
      return {
        activity: activities.create,
        entity: entity('Enrollment Token', event.id),
        user: event.user,
        state: event.role,
      };
    case 'enrollment-token-withdrawn':
      return { activity: activities.delete, entity: entity('Enrollment Token', event.id) };
    case 'device-enrolled':
      return {
        activity: activities.enroll,
        ...device(event.device),
        user: event.user,
        state: event.state ?? 'active',
      };
    case 'device-bundle-made':
      return { activity: activities.enroll, ...device(event.device), user: event.user, state: 'active' };
    case 'device-posture-accepted':
      return { activity: activities.activate, ...device(event.device), state: 'active' };
    case 'device-certificate-renewed':
      return event.late === true
        ? {
            activity: activities.suspend,
            ...device(event.device),
            state: 'quarantined',
            reason: 'renewed late',
          }
        : { activity: activities.update, ...device(event.device), reason: 'certificate renewed' };
    case 'device-state-changed':
      return {
        activity: stateActivities[event.state] ?? activities.update,
        ...device(event.device),
        state: event.state,
        reason: event.reason,
      };
    case 'sign-in-ended':
      return {
        activity: activities.deactivate,
        entity: entity('Sign-in', event.id),
        user: event.user,
        reason: event.reason,
      };
    case 'person-erased':
      return {
        activity: activities.delete,
        entity: entity('Pseudonym Key', event.person),
        reason: event.reason,
      };
    case 'change-proposed':
      return { activity: activities.create, entity: entity('Proposed Change', event.id) };
    case 'change-approved':
      return { activity: activities.approve, entity: entity('Proposed Change', event.id) };
    case 'change-rejected':
      return {
        activity: activities.reject,
        entity: entity('Proposed Change', event.id),
        reason: event.reason,
      };
    case 'resource-put': {
      const { kind, name } = event.resource;
      // Whether it was there before is in the ledger, and not in the event.
      return { activity: activities.update, entity: entity(kindName(kind), name, name) };
    }
    case 'resource-deleted':
      return { activity: activities.delete, entity: entity(kindName(event.kind), event.name, event.name) };
    case 'installation-restored':
      return { activity: activities.restore, entity: entity('Ledger', 'ledger') };
  }
}

const stateActivities: Readonly<Partial<Record<string, readonly [number, string]>>> = {
  active: activities.activate,
  quarantined: activities.suspend,
  revoked: activities.deactivate,
  lost: activities.deactivate,
};
