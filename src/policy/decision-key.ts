import { contextLeaves } from './context-leaves.ts';
import type { KeyPart } from './context-leaves.ts';
import type { GroupMembership, GroupSet } from './group-membership.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import type { PolicyUsage } from './policy-usage.ts';
import { timeBucket, timeValue } from './time-dimensions.ts';
import type { Breakpoints, TimeDimension } from './time-dimensions.ts';

/** How to tell two accesses apart, as far as policies of this usage can. */
export interface DecisionKey {
  readonly arity: number;
  /** Two accesses with equal parts get equal answers from these policies. */
  of(inputs: PolicyInputs, groups: GroupSet, membership: GroupMembership): KeyPart[];
}

/** Where time can change an answer, ascending. */
export const sortedTimes = (usage: PolicyUsage): ReadonlyMap<TimeDimension, Breakpoints> =>
  new Map(
    [...usage.times].map(([dimension, points]): [TimeDimension, Breakpoints] => [
      dimension,
      points === 'raw' ? 'raw' : [...points].sort((a, b) => a - b),
    ]),
  );

/** Everything that is used becomes a part of the key, encoded by nothing: see decision-table.ts. */
export function createDecisionKey(usage: PolicyUsage): DecisionKey {
  const leaves = [...usage.leaves];
  const steps: ((inputs: PolicyInputs) => KeyPart)[] = [
    ...(usage.user ? [({ user }: PolicyInputs): KeyPart => user] : []),
    // That no posture came is among the reasons of a denial.
    ...(leaves.some((leaf) => leaf.startsWith('posture.'))
      ? [({ posture }: PolicyInputs): KeyPart => posture === undefined]
      : []),
    ...leaves.flatMap((path) => {
      const leaf = contextLeaves[path];
      return leaf === undefined ? [] : (leaf.keys ?? [leaf.value as (inputs: PolicyInputs) => KeyPart]);
    }),
    ...[...sortedTimes(usage)].map(
      ([dimension, breakpoints]) =>
        (inputs: PolicyInputs): KeyPart =>
          timeBucket(timeValue(dimension, inputs), breakpoints),
    ),
  ];
  const { groups: mentioned } = usage;
  // Sets of a new membership are new objects, so what is kept for those of an old one is never found.
  const projections = new WeakMap<GroupSet, GroupSet>();
  return {
    arity: steps.length + 1,
    of(inputs, groups, membership) {
      let projected = mentioned === 'all' ? groups : projections.get(groups);
      if (projected === undefined) {
        projected = membership.project(groups, mentioned as ReadonlySet<string>);
        projections.set(groups, projected);
      }
      const key: KeyPart[] = [projected];
      for (const step of steps) key.push(step(inputs));
      return key;
    },
  };
}
