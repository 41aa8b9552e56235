/** A number in [0, 1). Passed in, so that a test can choose it. */
export type Random = () => number;

export interface BackoffLimits {
  readonly baseMs: number;
  readonly capMs: number;
}

/**
 * After a failure that may pass by itself: quick, for a gateway that restarts, and not so quick that all laptops of it
 * come within less time than its handshakes with them take.
 */
export const reconnectLimits: BackoffLimits = { baseMs: 1000, capMs: 30_000 };

/** For a session that nobody waits for. */
export const standbyLimits: BackoffLimits = { baseMs: 5000, capMs: 300_000 };

/** After an answer that only people can change, such as a revocation. */
export const refusedLimits: BackoffLimits = { baseMs: 15_000, capMs: 300_000 };

/** For a laptop that cannot enroll yet, as all that were set up in the same hour. */
export const enrollmentLimits: BackoffLimits = { baseMs: 5000, capMs: 300_000 };

/** After a crash, whose cause may have come to every laptop in the same moment; so many seconds a gateway needs for them. */
export const crashLimits: BackoffLimits = { baseMs: 8000, capMs: 8000 };

const ceiling = (attempt: number, limits: BackoffLimits): number =>
  // 2 ** 1024 is Infinity, and the cap still holds; reconnecting goes on for ever.
  Math.min(limits.capMs, limits.baseMs * 2 ** Math.max(0, attempt));

/**
 * Full jitter: anywhere between nothing and the ceiling. A thousand laptops that lost the same gateway in the same
 * millisecond come back spread over the whole interval. The first failure is attempt 0.
 */
export const fullJitter = (attempt: number, limits: BackoffLimits, random: Random): number =>
  random() * ceiling(attempt, limits);

/** At least half of the ceiling: for a refusal, where asking again soon would be of no use to anyone. */
export const slowJitter = (attempt: number, limits: BackoffLimits, random: Random): number =>
  ceiling(attempt, limits) * (0.5 + random() / 2);
