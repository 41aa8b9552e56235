import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { Device } from '../domain/device.ts';
import type { DeviceId } from '../domain/ids.ts';
import type { Change, ControlStore } from './control-store.ts';

/** How far the clock of an identity provider may be behind ours. */
const leewaySeconds = 60;

/**
 * Whether a sign-in is as new as the device's state asks for: after a late renewal, the user must have shown anew who they
 * are. `signedInAt` in epoch seconds, undefined where nobody did.
 */
export const isSignInFresh = (
  device: Pick<Device, 'awaits' | 'changedAt'>,
  signedInAt: number | undefined,
): boolean =>
  device.awaits !== 'sign-in' || (signedInAt !== undefined && signedInAt + leewaySeconds >= device.changedAt);

/** What follows when the posture of a device was accepted: nothing, unless that is the last that it awaited. */
export function decideAcceptance(
  state: ControlState,
  id: DeviceId,
  signedInAt: number | undefined,
): Change<DeviceId> | Refusal {
  const device = state.devices.get(id);
  if (device === undefined) return refuse('device-unknown', id);
  const isComplete = device.awaits !== undefined && isSignInFresh(device, signedInAt);
  return { events: isComplete ? [{ type: 'device-posture-accepted', device: id }] : [], value: id };
}

/** Makes a device active that awaited its posture. A person who decided otherwise meanwhile is not overruled. */
export const acceptAwaited = (
  store: ControlStore,
  device: DeviceId,
  signedInAt?: number,
): Promise<DeviceId | Refusal> =>
  store.commit(`device:${device}`, (state) => decideAcceptance(state, device, signedInAt));
