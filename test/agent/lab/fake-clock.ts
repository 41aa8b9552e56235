import type { Clock } from '../../../agent/clock.ts';

/** A clock that stands still until it is moved. */
export interface FakeClock extends Clock {
  /** Moves both clocks on and wakes whoever's time has come, earliest first. */
  advance(ms: number): void;
  /** Moves the wall clock alone: a sleep of the laptop, or somebody who sets it. Nobody is woken by that. */
  shiftWall(ms: number): void;
  /** Lengths of the sleeps that are going on. */
  sleeping(): number[];
  /** Resolves once somebody sleeps for exactly this long, or does already. */
  whenSleeping(ms: number): Promise<void>;
}

export function createFakeClock(startMs = Date.now()): FakeClock {
  let elapsed = 0;
  let shifted = 0;
  const sleepers = new Set<{ readonly until: number; readonly ms: number; wake(): void }>();
  const watchers = new Set<{ readonly ms: number; seen(): void }>();
  return {
    now: () => startMs + elapsed + shifted,
    monotonic: () => elapsed,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (ms <= 0 || signal?.aborted === true) return resolve();
        const sleeper = {
          until: elapsed + ms,
          ms,
          wake: () => {
            sleepers.delete(sleeper);
            resolve();
          },
        };
        sleepers.add(sleeper);
        signal?.addEventListener('abort', sleeper.wake, { once: true });
        for (const watcher of watchers) if (watcher.ms === ms) watcher.seen();
      }),
    advance: (ms) => {
      elapsed += ms;
      const due = [...sleepers].filter((sleeper) => sleeper.until <= elapsed);
      for (const sleeper of due.sort((a, b) => a.until - b.until)) sleeper.wake();
    },
    shiftWall: (ms) => {
      shifted += ms;
    },
    sleeping: () => [...sleepers].map((sleeper) => sleeper.ms),
    whenSleeping: (ms) =>
      new Promise((resolve) => {
        if ([...sleepers].some((sleeper) => sleeper.ms === ms)) return resolve();
        const watcher = {
          ms,
          seen: () => {
            watchers.delete(watcher);
            resolve();
          },
        };
        watchers.add(watcher);
      }),
  };
}
