import type { ControlState } from '../domain/control-state.ts';
import { maxDeviceChanges } from '../domain/device.ts';
import type { Device, DeviceChange } from '../domain/device.ts';
import type { ControlEvent, LedgerEntry } from '../domain/events.ts';
import type { DeviceId, UserName } from '../domain/ids.ts';
import { personOf } from '../domain/person.ts';
import { endedSignInSeconds } from '../domain/sign-in.ts';
import type { EndedSignIn } from '../domain/sign-in.ts';
import { genesisHead, headOf, verifyPlace } from './chain.ts';
import { findContradiction } from './contradiction.ts';
import { EventNotUnderstood, parseEvent } from './event-schema.ts';
import { LedgerCorrupt } from './ledger.ts';
import { mapOfKind } from './resource-maps.ts';

/**
 * Raised whenever the fold gives another state for the same log: a snapshot that an earlier fold made is then not
 * used.
 */
export const foldVersion = 7;

/** The state before the first event: nobody, nothing, no domain. It lets nothing through. */
export const emptyState = (): ControlState => ({
  head: genesisHead,
  domain: '',
  devices: new Map(),
  deviceHistory: new Map(),
  networks: new Map(),
  apps: new Map(),
  groups: new Map(),
  policies: new Map(),
  administrators: new Map(),
  firewalls: new Map(),
  enrollmentTokens: new Map(),
  apiKeys: new Map(),
  signingKeys: new Map(),
  endedSignIns: new Map(),
  erasedPeople: new Map(),
  lostTimes: [],
  proposals: new Map(),
});

/** A state that can move on by itself. The values inside are never changed in place, so the maps alone are copied. */
export const copyState = (state: ControlState): ControlState => ({
  head: state.head,
  domain: state.domain,
  devices: new Map(state.devices),
  deviceHistory: new Map(state.deviceHistory),
  networks: new Map(state.networks),
  apps: new Map(state.apps),
  groups: new Map(state.groups),
  policies: new Map(state.policies),
  administrators: new Map(state.administrators),
  firewalls: new Map(state.firewalls),
  enrollmentTokens: new Map(state.enrollmentTokens),
  apiKeys: new Map(state.apiKeys),
  signingKeys: new Map(state.signingKeys),
  endedSignIns: new Map(state.endedSignIns),
  erasedPeople: new Map(state.erasedPeople),
  lostTimes: state.lostTimes,
  proposals: new Map(state.proposals),
});

/**
 * Moves the state by one entry, in place. The entry must follow the state's head; its hash is verified by whoever read
 * it (`verifyEntry`). On an error the state is as it was.
 * @throws LedgerCorrupt for a gap, an event that this version does not understand, or one that contradicts the state.
 */
export function applyEntry(state: ControlState, entry: LedgerEntry): ControlEvent {
  verifyPlace(state.head, entry);
  const event = readEvent(entry);
  const contradiction = findContradiction(state, event);
  if (contradiction !== undefined)
    throw new LedgerCorrupt(
      entry.sequence,
      `ledger entry ${entry.sequence} contradicts those before it: ${event.type}: ${contradiction.detail ?? contradiction.code}`,
    );
  applyEvent(state, event, entry);
  state.head = headOf(entry);
  return event;
}

function readEvent(entry: LedgerEntry): ControlEvent {
  try {
    return parseEvent(entry.data);
  } catch (error) {
    if (error instanceof EventNotUnderstood)
      throw new LedgerCorrupt(entry.sequence, `ledger entry ${entry.sequence}: ${error.message}`);
    throw error;
  }
}

/** The effect of an event that was found not to contradict the state. `origin` says when and by whom. */
export function applyEvent(
  state: ControlState,
  event: ControlEvent,
  origin: { readonly at: number; readonly actor: string },
): void {
  const now = Math.floor(origin.at / 1000);
  switch (event.type) {
    case 'organization-created':
      state.domain = event.domain;
      return;
    case 'key-published':
      state.signingKeys.set(event.key.kid, event.key);
      return;
    case 'key-retired':
      state.signingKeys.set(event.kid, { ...get(state.signingKeys, event.kid), retiredAt: now });
      return;
    case 'api-key-created': {
      const { type: _, role = 'owner', ...key } = event;
      state.apiKeys.set(event.id, { ...key, role, ...behind(state, origin), createdAt: now });
      return;
    }
    case 'api-key-revoked':
      state.apiKeys.set(event.id, { ...get(state.apiKeys, event.id), revokedAt: now });
      return;
    case 'enrollment-token-created': {
      const { type: _, ...token } = event;
      state.enrollmentTokens.set(event.id, token);
      return;
    }
    case 'enrollment-token-withdrawn':
      state.enrollmentTokens.set(event.id, { ...get(state.enrollmentTokens, event.id), withdrawnAt: now });
      return;
    case 'device-enrolled': {
      const { device: id, user, role, network, certificate, enrollmentToken } = event;
      const token = get(state.enrollmentTokens, enrollmentToken);
      state.enrollmentTokens.set(enrollmentToken, { ...token, usedBy: id });
      state.devices.set(id, {
        id,
        user,
        role,
        ...(network === undefined ? {} : { network }),
        state: event.state ?? 'active',
        ...(event.state === 'enrolled' ? { awaits: 'posture' } : {}),
        enrolledAt: now,
        changedAt: now,
        certificates: [certificate],
      });
      noteChange(state, id, { at: now, by: origin.actor, reason: 'enrollment' });
      return;
    }
    case 'device-bundle-made': {
      const { device: id, user, certificate } = event;
      state.devices.set(id, {
        id,
        user,
        role: 'laptop',
        state: 'active',
        keyMadeElsewhere: true,
        enrolledAt: now,
        changedAt: now,
        certificates: [certificate],
      });
      noteChange(state, id, { at: now, by: origin.actor, reason: 'bundle' });
      return;
    }
    case 'device-posture-accepted': {
      const { awaits } = get(state.devices, event.device);
      const reason = awaits === 'sign-in' ? 'sign-in-and-posture' : 'first-posture';
      moveDevice(state, event.device, { at: now, by: origin.actor, state: 'active', reason });
      return;
    }
    case 'device-certificate-renewed':
      changeDevice(state, event.device, (device) => ({
        certificates: [...device.certificates.filter(({ notAfter }) => notAfter >= now), event.certificate],
      }));
      if (event.late === true) {
        // One that a person put into quarantine stays there for what that person said.
        const { state: before } = get(state.devices, event.device);
        if (before === 'active' || before === 'enrolled') {
          const why = { at: now, by: origin.actor, reason: 'grace-renewal' };
          moveDevice(state, event.device, { ...why, state: 'quarantined' });
          const { awaits } = event;
          if (awaits !== undefined) changeDevice(state, event.device, () => ({ awaits }));
        }
      }
      return;
    case 'device-state-changed':
      moveDevice(state, event.device, {
        at: now,
        by: origin.actor,
        state: event.state,
        reason: event.reason,
      });
      return;
    case 'sign-in-ended':
      endSignIn(state, event.id, { user: event.user, at: now });
      return;
    case 'person-erased':
      state.erasedPeople.set(event.person, now);
      return;
    case 'change-proposed': {
      const { id, changes, expiresAt } = event;
      for (const [key, proposal] of state.proposals)
        if (proposal.expiresAt <= now) state.proposals.delete(key);
      const proposedBy = origin.actor;
      state.proposals.set(id, {
        id,
        proposedBy,
        ...behind(state, origin),
        proposedAt: now,
        expiresAt,
        changes,
      });
      return;
    }
    case 'change-approved':
    case 'change-rejected':
      state.proposals.delete(event.id);
      return;
    case 'resource-put':
      mapOfKind(state, event.resource.kind).set(event.resource.name, event.resource);
      return;
    case 'resource-deleted':
      mapOfKind(state, event.kind).delete(event.name);
      return;
    case 'installation-restored':
      state.lostTimes = [...state.lostTimes, { from: event.from, to: now }];
      return;
  }
}

/** What is known of it when it happens stays so, whatever becomes of the key. */
function behind({ apiKeys }: ControlState, { actor }: { readonly actor: string }): { person?: UserName } {
  const person = personOf(apiKeys, actor);
  return person === undefined ? {} : { person };
}

/** By then no sign-in and no token is left that the forgotten ones could be asked about. */
function endSignIn({ endedSignIns }: ControlState, id: string, ended: EndedSignIn): void {
  for (const [key, { at }] of endedSignIns) if (at < ended.at - endedSignInSeconds) endedSignIns.delete(key);
  // Of a user all that began until the last time is over; the newest end is the one that says so.
  const known = endedSignIns.get(id);
  endedSignIns.delete(id);
  endedSignIns.set(id, known === undefined || known.at < ended.at ? ended : known);
}

function changeDevice(state: ControlState, id: DeviceId, change: (device: Device) => Partial<Device>): void {
  const device = get(state.devices, id);
  state.devices.set(id, { ...device, ...change(device) });
}

/** Gives a device another state. Whatever it awaited before, it awaits no more. */
function moveDevice(state: ControlState, id: DeviceId, change: DeviceChange): void {
  const { awaits: _, ...device } = get(state.devices, id);
  const { at, by, reason } = change;
  state.devices.set(id, { ...device, state: change.state, reason, changedBy: by, changedAt: at });
  noteChange(state, id, change);
}

/** Adds to the life of a device the state that it has now. */
function noteChange(state: ControlState, id: DeviceId, change: Omit<DeviceChange, 'state'>): void {
  const [first, ...later] = state.deviceHistory.get(id) ?? [];
  const added = { ...change, state: get(state.devices, id).state };
  const newest = [...later, added].slice(1 - maxDeviceChanges);
  state.deviceHistory.set(id, first === undefined ? [added] : [first, ...newest]);
}

function get<Key, Value>(map: ReadonlyMap<Key, Value>, key: Key): Value {
  const value = map.get(key);
  // findContradiction has passed the event; if that and the effect ever disagree, nothing may go on.
  if (value === undefined) throw new TypeError(`event applied without its check: ${String(key)} is unknown`);
  return value;
}
