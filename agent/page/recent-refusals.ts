import type { PeerProblem } from '../control/problem.ts';

/** Something was refused, and when. */
export interface Refused extends PeerProblem {
  /** Epoch milliseconds. */
  readonly at: number;
}

const kept = 8;
/** A browser asks again and again: the same once more within this time only moves up. */
const sameMs = 60_000;

/** What was refused last, the latest first; a few, in memory alone. */
export function createRecentRefusals(now: () => number): {
  note(problem: PeerProblem): void;
  list(): readonly Refused[];
} {
  let all: readonly Refused[] = [];
  return {
    note(problem) {
      const at = now();
      const isSame = (one: Refused): boolean => one.code === problem.code && one.host === problem.host;
      const others = all.filter((one) => !isSame(one) || at - one.at > sameMs);
      all = [{ ...problem, at }, ...others].slice(0, kept);
    },
    list: () => all,
  };
}
