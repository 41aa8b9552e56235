import type { DoctorFacts } from './facts.ts';

/** From nothing wrong to what stops flows or will; `unknown`: could not be looked at, and `what` says why. */
export const levels = ['ok', 'hint', 'unknown', 'warning', 'error'] as const;
export type Level = (typeof levels)[number];

/** One thing that was found: what is so, and how to mend it, a line each. */
export interface Finding {
  readonly level: Level;
  readonly what: string;
  readonly how?: string;
}

/** One thing to look at. It changes nothing, and needs no more than it says; what it cannot see is `unknown`. */
export interface Check {
  readonly name: string;
  readonly limitMs: number;
  readonly run: (facts: DoctorFacts) => Promise<readonly Finding[]>;
}

export const ok = (what: string): readonly Finding[] => [{ level: 'ok', what }];
export const unknown = (what: string, how?: string): readonly Finding[] => [
  { level: 'unknown', what, ...(how === undefined ? {} : { how }) },
];

/** For people: some of the names, and how many more. */
export function someOf(names: readonly string[], most = 5): string {
  const more = names.length - most;
  return names.slice(0, most).join(', ') + (more > 0 ? ` and ${more} more` : '');
}
