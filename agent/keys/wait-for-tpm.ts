import type { Clock } from '../clock.ts';
import type { StatePaths } from '../state/state-directory.ts';
import { readOwnedFile } from '../state/owned-file.ts';
import { createDeviceRequest } from './new-key.ts';

/** Between two looks at a TPM that was lost. */
const lookEveryMs = 5000;

/** Whether the TPM signs for the key of this laptop, as another process finds it. */
const answers = (paths: StatePaths): Promise<boolean> =>
  createDeviceRequest(readOwnedFile(paths.key, 'secret') ?? '').then(
    () => true,
    () => false,
  );

/**
 * Sees to an agent whose TPM was lost: what lies between OpenSSL and a TPM does not get over that in one process, so once
 * the TPM is there again, the agent has to start anew. Returned is what to call when the key turned out to be unusable.
 */
export function createTpmWait(options: {
  readonly paths: StatePaths;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  isLost(): boolean;
  startAnew(): Promise<void>;
}): () => void {
  const { clock, paths, signal } = options;
  let isWaiting = false;
  const wait = async (): Promise<void> => {
    do {
      await clock.sleep(lookEveryMs, signal);
      if (signal.aborted) return;
      if (options.isLost() && (await answers(paths))) await options.startAnew();
    } while (options.isLost());
    isWaiting = false;
  };
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    void wait();
  };
}
