import type { StoreProblem } from '../../ledger/store.ts';

/** `ledger rewound`: the store had lost what we have; it was given back, and a person has to find out why. */
export type LedgerTrouble = 'ledger' | 'ledger corrupt' | 'ledger rewound';

/** What is known of how the ledger does, for /readyz, metrics, and whoever must not act on old knowledge. */
export interface LedgerHealth {
  problem(problem: StoreProblem): void;
  /** The store has just shown that it has what we have, and no more. */
  inStep(): void;
  /** The store cannot be asked: what others have changed meanwhile is not known here. */
  isAway(): boolean;
  /** In words for /readyz; empty when all is well. A recovery is told of for an hour. */
  troubles(): readonly LedgerTrouble[];
  /** How often the store was found to have lost what we have. */
  readonly recoveries: number;
}

/** A trouble counts until nothing was heard of it for this long. */
const troubleMs = 5000;
/** A store in Redis shows itself every two seconds. */
const silenceMs = 10_000;
const recoveryMs = 3_600_000;
const lossesOfStore: readonly StoreProblem[] = [
  'ledger-rewound',
  'ledger-mended',
  'ledger-holed',
  'ledger-forked',
];

/** `confirms`: whether the store says by itself that it is there, as one on another machine does. */
export function createLedgerHealth(
  clock: () => number,
  options: { readonly confirms: boolean },
): LedgerHealth {
  let isStopped = false;
  let recoveries = 0;
  let unavailableAt = Number.NEGATIVE_INFINITY;
  let unfollowableAt = Number.NEGATIVE_INFINITY;
  let recoveredAt = Number.NEGATIVE_INFINITY;
  let inStepAt = clock();
  const isAway = (): boolean => {
    if (!options.confirms) return false;
    const troubleAt = Math.max(unavailableAt, unfollowableAt);
    return isStopped || troubleAt > inStepAt || clock() - inStepAt > silenceMs;
  };
  return {
    problem(problem) {
      if (problem === 'ledger-corrupt') isStopped = true;
      if (problem === 'ledger-unavailable') unavailableAt = clock();
      if (problem === 'ledger-not-followed') unfollowableAt = clock();
      if (lossesOfStore.includes(problem)) {
        recoveries += 1;
        recoveredAt = clock();
      }
    },
    inStep() {
      // Later than a trouble of the same millisecond.
      inStepAt = Math.max(clock(), unavailableAt, unfollowableAt);
    },
    isAway,
    troubles: () => [
      ...(isStopped || (options.confirms && unfollowableAt > inStepAt) ? (['ledger corrupt'] as const) : []),
      ...(isAway() || clock() - unavailableAt < (options.confirms ? 0 : troubleMs)
        ? (['ledger'] as const)
        : []),
      ...(clock() - recoveredAt < recoveryMs ? (['ledger rewound'] as const) : []),
    ],
    get recoveries() {
      return recoveries;
    },
  };
}
