import { setTimeout as wait } from 'node:timers/promises';
import type { DeviceId } from '../../domain/ids.ts';
import type { ControlParts } from '../api/control-parts.ts';
import type { ReportedPosture } from './posture-memory.ts';

export interface AskedPosture {
  /** Undefined: nothing came in time. */
  readonly answeredInMs: number | undefined;
  /** The answer, or what the device said before. */
  readonly posture: ReportedPosture | undefined;
}

const lookEveryMs = 200;

/**
 * Asks a device for its posture by way of its sessions, and waits until a report has come, from wherever: it may reach
 * another server of the control plane. A laptop that is off, asleep, or without a session is not reached.
 */
export async function askPosture(
  { postures, postureRequests }: Pick<ControlParts, 'postures' | 'postureRequests'>,
  device: DeviceId,
  waitMs: number,
): Promise<AskedPosture> {
  const start = performance.now();
  const before = await postures.recall(device);
  await postureRequests.send(device);
  for (;;) {
    const posture = await postures.recall(device);
    const passedMs = performance.now() - start;
    if (posture !== undefined && posture.receivedAt !== before?.receivedAt)
      return { answeredInMs: Math.round(passedMs), posture };
    if (passedMs >= waitMs) return { answeredInMs: undefined, posture };
    await wait(Math.min(lookEveryMs, waitMs - passedMs));
  }
}
