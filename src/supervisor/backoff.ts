/** When to start again what ended by itself. Time and chance are passed in, so that its whole course can be tried. */
export interface Backoff {
  /**
   * Milliseconds to wait after an end. At once after the first, then doubling up to the bound, with jitter, so that
   * many that fell together do not come back together. What had run long enough begins anew.
   */
  next(startedAtMs: number, endedAtMs: number): number;
  /** Ends in a row, none of which had run long enough. */
  readonly failuresInARow: number;
}

export interface BackoffTimes {
  readonly firstMs: number;
  readonly maxMs: number;
  /** What ran this long was well. */
  readonly stableAfterMs: number;
}

export const usualBackoff: BackoffTimes = { firstMs: 100, maxMs: 15_000, stableAfterMs: 20_000 };

export function createBackoff(
  times: BackoffTimes = usualBackoff,
  random: () => number = Math.random,
): Backoff {
  let failuresInARow = 0;
  return {
    next(startedAtMs, endedAtMs) {
      if (endedAtMs - startedAtMs >= times.stableAfterMs) failuresInARow = 0;
      failuresInARow = Math.min(failuresInARow + 1, 32);
      if (failuresInARow === 1) return 0;
      const bound = Math.min(times.maxMs, times.firstMs * 2 ** (failuresInARow - 2));
      return Math.round(bound * (0.5 + random() / 2));
    },
    get failuresInARow() {
      return failuresInARow;
    },
  };
}
