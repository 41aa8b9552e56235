import type { Device } from '../domain/device.ts';
import type { ParsedPolicy } from './parsed-policy.ts';

/**
 * Kinds of principal that are judged apart, each with a slice and a cache of its own: what was meant for one kind must
 * not let another in.
 */
export const lanes = ['user', 'quarantined-user', 'machine', 'quarantined-machine'] as const;
export type Lane = (typeof lanes)[number];

export function laneOf({ role, state }: Device): Lane {
  const who = role === 'machine' ? 'machine' : 'user';
  return state === 'quarantined' ? `quarantined-${who}` : who;
}

export const isQuarantined = (lane: Lane): boolean => lane.startsWith('quarantined-');

/**
 * Why a policy has no say in a lane; completes "Does not apply: …". A forbid always has one. A permit lets a machine in
 * only if its scope names machines as its principal, and a quarantined device only if it speaks of the device's state:
 * then somebody had them in mind when writing it. "Everyone" means every user.
 */
export function exclusionFrom(
  lane: Lane,
  policy: Pick<ParsedPolicy, 'effect' | 'mentionsState' | 'namesMachines'>,
): string | undefined {
  if (policy.effect === 'forbid') return undefined;
  const isOfMachine = lane === 'machine' || lane === 'quarantined-machine';
  if (isOfMachine && !policy.namesMachines)
    return 'a permit lets a machine in only if its scope says so, as `principal is Device` does';
  if (isQuarantined(lane) && !policy.mentionsState)
    return 'the device is in quarantine, and this permit does not speak of `context.device.state`';
  return undefined;
}
