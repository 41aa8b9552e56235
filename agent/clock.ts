/** Time as the agent sees it. Passed in, so that a test can move it. */
export interface Clock {
  /** Epoch milliseconds; jumps when the laptop's clock is set. */
  now(): number;
  /** Milliseconds since some start; never goes back, and stands still while the laptop sleeps. */
  monotonic(): number;
  /** Resolves after `ms`, or at once when the signal aborts. Never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted === true) return resolve();
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', finish);
        resolve();
      };
      const timer = setTimeout(finish, ms);
      signal?.addEventListener('abort', finish, { once: true });
    }),
};

/**
 * Seconds since now, by whichever of the two clocks went further: the monotonic one misses a laptop's sleep, the
 * other one may be set back. What must not outlive its time is measured by the larger.
 */
export function startStopwatch(clock: Clock): () => number {
  const [wall, steady] = [clock.now(), clock.monotonic()];
  return () => Math.max(clock.now() - wall, clock.monotonic() - steady) / 1000;
}
