import type { Device } from '../domain/device.ts';
import type { ParsedPolicy } from './parsed-policy.ts';

/**
 * Kinds of principal that are judged apart, each with a slice and a cache of its own: what was meant for one kind must
 * not let another in.
 */
export const lanes = ['active', 'quarantined'] as const;
export type Lane = (typeof lanes)[number];

export const laneOf = ({ state }: Device): Lane => (state === 'quarantined' ? 'quarantined' : 'active');

/**
 * Why a policy has no say in a lane; completes "Does not apply: …". A forbid always has one. A permit lets a quarantined
 * device in only if it speaks of the device's state itself: then somebody had it in mind when writing the permit.
 */
export function exclusionFrom(lane: Lane, { effect, mentionsState }: ParsedPolicy): string | undefined {
  return lane === 'quarantined' && effect === 'permit' && !mentionsState
    ? 'the device is in quarantine, and this permit does not speak of `context.device.state`'
    : undefined;
}
