/** Pauses between attempts. */
export interface RetryTimes {
  readonly firstMs: number;
  readonly maxMs: number;
}

export const usualRetry: RetryTimes = { firstMs: 500, maxMs: 60_000 };

/**
 * How long to wait after so many failures in a row: anywhere from nothing to a bound that doubles, so that many who lost
 * the same receiver do not all come back to it at once.
 */
export function fullJitter(
  failures: number,
  { firstMs, maxMs }: RetryTimes = usualRetry,
  random: () => number = Math.random,
): number {
  return Math.round(Math.min(maxMs, firstMs * 2 ** Math.min(failures - 1, 30)) * random());
}
