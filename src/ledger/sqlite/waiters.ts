/** Wakes those who wait for more entries. */
export interface Waiters {
  /** Resolves at the next `wake`, or when the signal aborts; never rejects. */
  wait(signal: AbortSignal): Promise<void>;
  wake(): void;
}

/**
 * `whileWaiting` is called when the first one begins to wait, and what it returns when nobody waits any more: polling
 * costs nothing where nobody follows.
 */
export function createWaiters(whileWaiting: () => () => void): Waiters {
  const waiting = new Set<() => void>();
  let stop: (() => void) | undefined;
  return {
    wait(signal) {
      if (signal.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        const done = (): void => {
          signal.removeEventListener('abort', done);
          waiting.delete(done);
          if (waiting.size === 0) {
            stop?.();
            stop = undefined;
          }
          resolve();
        };
        signal.addEventListener('abort', done);
        waiting.add(done);
        stop ??= whileWaiting();
      });
    },
    wake() {
      for (const done of waiting) done();
    },
  };
}
