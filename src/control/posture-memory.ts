import type { DeviceId } from '../domain/ids.ts';
import type { Posture } from '../domain/posture.ts';

/** The posture that each device last reported. Fleeting: it is for people who ask `why`, and decides nothing. */
export interface PostureMemory {
  remember(device: DeviceId, posture: Posture): void;
  recall(device: DeviceId): Posture | undefined;
}

export function createPostureMemory(maxDevices = 50_000): PostureMemory {
  const known = new Map<DeviceId, Posture>();
  return {
    remember(device, posture) {
      known.delete(device);
      known.set(device, posture);
      const [oldest] = known.keys();
      if (known.size > maxDevices && oldest !== undefined) known.delete(oldest);
    },
    recall: (device) => known.get(device),
  };
}
