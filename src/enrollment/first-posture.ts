import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { DeviceId } from '../domain/ids.ts';
import type { Change, ControlStore } from './control-store.ts';

/** What follows when the posture of a device was accepted: nothing, unless that is what it awaited. */
export function decideFirstPosture(state: ControlState, id: DeviceId): Change<DeviceId> | Refusal {
  const device = state.devices.get(id);
  if (device === undefined) return refuse('device-unknown', id);
  return {
    events: device.awaits === 'posture' ? [{ type: 'device-posture-accepted', device: id }] : [],
    value: id,
  };
}

/** Makes a device active that awaited its posture. A person who decided otherwise meanwhile is not overruled. */
export const acceptFirstPosture = (store: ControlStore, device: DeviceId): Promise<DeviceId | Refusal> =>
  store.commit(`device:${device}`, (state) => decideFirstPosture(state, device));
