import type { ControlState } from '../domain/control-state.ts';
import { isFinal } from '../domain/device.ts';
import type { Device, DeviceState } from '../domain/device.ts';
import type { ControlEvent } from '../domain/events.ts';
import type { Resource } from '../domain/resources.ts';
import { narrowAdministrators } from './narrow-administrators.ts';

/** What a ledger that survived says beyond the backup. */
export interface Difference {
  /** To append to the restored ledger: what was taken from someone stays taken, and laptops keep their certificates. */
  readonly events: readonly ControlEvent[];
  /** Enrolled since, in force when the ledger ended, and unknown to the backup: they have to enroll again. */
  readonly enrolledSince: readonly Device[];
  /** Resources that are now as the backup has them, as `KIND NAME`, and were otherwise. */
  readonly changedSince: readonly string[];
}

const maxReasonLength = 500;

/** Which states take more from a device than others; `enrolled` is where a device begins, never where it is put. */
const severity: Readonly<Record<DeviceState, number>> = {
  enrolled: 0,
  active: 0,
  quarantined: 1,
  revoked: 2,
  lost: 2,
};

/**
 * Compares a backup's state with that of a later ledger of the same installation. Grants of the later one (devices,
 * keys, policies) are not taken over: a backup may be restored because of them. `backupHead` is the number of the
 * backup's last entry.
 */
export function keepRestrictions(
  backup: ControlState,
  survivor: ControlState,
  backupHead: number,
): Difference {
  // Where less could be read than the backup has, it is not known whether an administrator went or had not come yet.
  const isLater = survivor.head.sequence >= backupHead;
  return {
    events: [
      ...deviceEvents(backup, survivor),
      ...apiKeyEvents(backup, survivor),
      ...signingKeyEvents(backup, survivor),
      ...(isLater ? narrowAdministrators(backup, survivor) : []),
      ...signInEvents(backup, survivor),
      ...erasureEvents(backup, survivor),
    ],
    enrolledSince: [...survivor.devices.values()].filter(
      (device) => !backup.devices.has(device.id) && !isFinal(device),
    ),
    changedSince: changedResources(backup, survivor),
  };
}

function* deviceEvents(backup: ControlState, survivor: ControlState): Generator<ControlEvent> {
  for (const device of survivor.devices.values()) {
    const known = backup.devices.get(device.id);
    // For a device that is revoked or lost, nothing that follows matters.
    if (known === undefined || isFinal(known)) continue;
    const thumbprints = new Set(known.certificates.map(({ thumbprint }) => thumbprint));
    for (const certificate of device.certificates)
      if (!thumbprints.has(certificate.thumbprint))
        yield { type: 'device-certificate-renewed', device: device.id, certificate };
    if (device.state !== 'enrolled' && severity[device.state] > severity[known.state]) {
      const by = device.changedBy === undefined ? '' : ` by ${device.changedBy}`;
      const reason = `${device.reason ?? 'no reason given'} (${device.state}${by} after the backup)`;
      yield {
        type: 'device-state-changed',
        device: device.id,
        state: device.state,
        reason: reason.slice(0, maxReasonLength).toWellFormed(),
      };
    }
  }
}

function* apiKeyEvents(backup: ControlState, survivor: ControlState): Generator<ControlEvent> {
  for (const { id, revokedAt } of survivor.apiKeys.values()) {
    const known = backup.apiKeys.get(id);
    if (revokedAt !== undefined && known !== undefined && known.revokedAt === undefined)
      yield { type: 'api-key-revoked', id };
  }
}

function* signingKeyEvents(backup: ControlState, survivor: ControlState): Generator<ControlEvent> {
  for (const { kid, retiredAt } of survivor.signingKeys.values()) {
    const known = backup.signingKeys.get(kid);
    if (retiredAt !== undefined && known !== undefined && known.retiredAt === undefined)
      yield { type: 'key-retired', kid };
  }
}

/**
 * Every token that the backup holds for unused. Nobody can tell which of them enrolled someone meanwhile, they live for a
 * day, and another is made in a moment.
 */
export const withdrawTokens = (backup: ControlState): ControlEvent[] =>
  [...backup.enrollmentTokens.values()]
    .filter(({ usedBy, withdrawnAt }) => usedBy === undefined && withdrawnAt === undefined)
    .map(({ id }) => ({ type: 'enrollment-token-withdrawn', id }));

function* signInEvents(backup: ControlState, survivor: ControlState): Generator<ControlEvent> {
  for (const [id, { user, at }] of survivor.endedSignIns) {
    const known = backup.endedSignIns.get(id);
    // The end of all that a user had begun comes again each time, under the same id.
    if (known === undefined || known.at < at)
      yield { type: 'sign-in-ended', id, user, reason: 'ended after the backup' };
  }
}

/** The backup may hold keys that were destroyed since. */
function* erasureEvents(backup: ControlState, survivor: ControlState): Generator<ControlEvent> {
  for (const person of survivor.erasedPeople.keys())
    if (!backup.erasedPeople.has(person))
      yield { type: 'person-erased', person, reason: 'erased after the backup' };
}

function changedResources(backup: ControlState, survivor: ControlState): string[] {
  const changed: string[] = [];
  const compare = (
    before: ReadonlyMap<string, Resource>,
    after: ReadonlyMap<string, Resource>,
    kind: Resource['kind'],
  ): void => {
    for (const name of new Set([...before.keys(), ...after.keys()])) {
      // Both come from events, whose text is as it was written.
      const isSame = JSON.stringify(before.get(name)) === JSON.stringify(after.get(name));
      const isNarrowed = kind === 'Administrator' && before.has(name);
      if (!isSame && !isNarrowed) changed.push(`${kind} ${name}`);
    }
  };
  compare(backup.networks, survivor.networks, 'Network');
  compare(backup.apps, survivor.apps, 'App');
  compare(backup.groups, survivor.groups, 'Group');
  compare(backup.policies, survivor.policies, 'Policy');
  compare(backup.administrators, survivor.administrators, 'Administrator');
  return changed;
}
