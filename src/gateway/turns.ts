import type { DeviceId } from '../domain/ids.ts';

/** Lets devices take turns at something that only so many jobs may be at: one that has much to do waits for itself alone. */
export interface Turns {
  /** Runs the job when its turn has come. @returns undefined, at once, where too many wait. */
  run<Result>(owner: DeviceId, job: () => Promise<Result>): Promise<Result> | undefined;
}

/** @param job never rejects. */
export function createTurns(maxAtOnce: number, maxWaiting: number): Turns {
  /** Whose turn is next stands first. */
  const waiting = new Map<DeviceId, (() => void)[]>();
  let waitingJobs = 0;
  let running = 0;

  const goOn = (): void => {
    while (running < maxAtOnce) {
      const [turn] = waiting;
      if (turn === undefined) return;
      const [owner, jobs] = turn;
      waiting.delete(owner);
      const job = jobs.shift();
      if (jobs.length > 0) waiting.set(owner, jobs);
      waitingJobs -= 1;
      running += 1;
      job?.();
    }
  };
  return {
    run(owner, job) {
      if (waitingJobs >= maxWaiting) return undefined;
      return new Promise((resolve) => {
        const jobs = waiting.get(owner) ?? [];
        jobs.push(() => {
          void job().then((result) => {
            running -= 1;
            resolve(result);
            goOn();
          });
        });
        waiting.set(owner, jobs);
        waitingJobs += 1;
        goOn();
      });
    },
  };
}
