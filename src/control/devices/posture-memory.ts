import type { DeviceId } from '../../domain/ids.ts';
import type { Posture } from '../../domain/posture.ts';
import type { FleetingStore } from '../fleeting/fleeting-store.ts';

/** With why each check said what it said, which policies do not see. */
export interface ReportedPosture extends Posture {
  readonly reasons?: Readonly<Record<string, string>>;
  /** When it came, epoch milliseconds; one kept by a server of an earlier version has none. */
  readonly receivedAt?: number;
}

/** The posture that each device last reported. Fleeting: it is for people who ask, and decides nothing. */
export interface PostureMemory {
  remember(device: DeviceId, posture: ReportedPosture): Promise<void>;
  recall(device: DeviceId): Promise<ReportedPosture | undefined>;
}

/** What a laptop said yesterday says nothing about it today. */
const ttlMs = 24 * 3_600_000;

export function createPostureMemory(fleeting: FleetingStore): PostureMemory {
  return {
    async remember(device, posture) {
      await fleeting.put(device, JSON.stringify(posture), ttlMs);
    },
    async recall(device) {
      const text = await fleeting.get(device);
      return text === undefined ? undefined : (JSON.parse(text) as ReportedPosture);
    },
  };
}
