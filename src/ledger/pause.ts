import { setTimeout as sleep } from 'node:timers/promises';

/** Waits for so long, or until the signal aborts; never rejects. */
export const pause = (milliseconds: number, signal: AbortSignal): Promise<void> =>
  sleep(milliseconds, undefined, { signal }).catch(() => undefined);
