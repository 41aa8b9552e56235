import type { App } from '../domain/resources.ts';
import { compilePolicySet, validatePolicies } from './cedar.ts';
import type { CompiledPolicySet } from './cedar.ts';
import { contextLeaves } from './context-leaves.ts';
import type { KeyPart } from './context-leaves.ts';
import type { GroupMembership, GroupSet } from './group-membership.ts';
import { exclusionFrom } from './lanes.ts';
import type { Lane } from './lanes.ts';
import type { ParsedPolicy } from './parsed-policy.ts';
import type { PolicyIndex } from './policy-index.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import { emptyUsage, mergeUsage } from './policy-usage.ts';
import { secondsToBreakpoint, timeBucket, timeValue } from './time-dimensions.ts';
import type { Breakpoints, TimeDimension } from './time-dimensions.ts';

/** The policies that can apply to one application, compiled, and what their answers depend on. */
export interface PolicySlice {
  readonly app: App['name'];
  readonly network: App['network'];
  readonly lane: Lane;
  readonly policies: readonly ParsedPolicy[];
  /** All that there are for the application, those among them that have no say in this lane. */
  readonly candidates: readonly ParsedPolicy[];
  readonly excluded: readonly ParsedPolicy[];
  readonly hasPermit: boolean;
  readonly byId: ReadonlyMap<string, ParsedPolicy>;
  /** Absent when the slice is broken. */
  readonly set?: CompiledPolicySet;
  /** Resources that could not be compiled, and why: while there is one, everything is denied. */
  readonly broken: ReadonlyMap<string, string>;
  /** Attributes of the context that some policy refers to. */
  readonly leaves: readonly string[];
  readonly usesPosture: boolean;
  readonly usesSignIn: boolean;
  readonly usesTime: boolean;
  /** Where time can change an answer, ascending. */
  readonly times: ReadonlyMap<TimeDimension, Breakpoints>;
  /** Groups that some policy mentions; `all` where membership in any may matter. */
  readonly groups: ReadonlySet<string> | 'all';
  readonly keyArity: number;
  /** What a decision is cached by: two accesses with equal parts get equal answers from this slice. */
  keyOf(inputs: PolicyInputs, groups: GroupSet, membership: GroupMembership): KeyPart[];
  /** Seconds until time alone can change the answer; infinite when it cannot. */
  secondsToReview(inputs: PolicyInputs): number;
}

// Validity is a matter of a policy's text alone, and costs far more than anything else here.
const validated = new WeakMap<ParsedPolicy, string | true>();

function validateOnce(policies: readonly ParsedPolicy[]): void {
  const unknown = policies.filter((policy) => !validated.has(policy));
  if (unknown.length === 0) return;
  const { errors } = validatePolicies(Object.fromEntries(unknown.map(({ id, text }) => [id, text])));
  const general = errors.find(({ id }) => id === '');
  for (const policy of unknown) {
    const error = errors.find(({ id }) => id === policy.id) ?? general;
    validated.set(policy, error === undefined ? true : error.message);
  }
}

/** Compiles the policies of one application for one lane. Never throws for bad policies: such a slice is `broken` and denies. */
export function compileSlice(
  { name, network }: Pick<App, 'name' | 'network'>,
  lane: Lane,
  candidates: readonly ParsedPolicy[],
  unreadable: PolicyIndex['unreadable'],
): PolicySlice {
  const excluded = candidates.filter((policy) => exclusionFrom(lane, policy) !== undefined);
  const policies =
    excluded.length === 0
      ? candidates
      : candidates.filter((policy) => exclusionFrom(lane, policy) === undefined);
  validateOnce(policies);
  const broken = new Map(unreadable.map((resource) => [resource.name, resource.problem]));
  for (const policy of policies) {
    const valid = validated.get(policy);
    if (valid !== true) broken.set(policy.name, valid ?? 'not validated');
  }
  let set: CompiledPolicySet | undefined;
  if (broken.size === 0) {
    const compiled = compilePolicySet(Object.fromEntries(policies.map(({ id, text }) => [id, text])));
    if ('problems' in compiled) {
      const problem = compiled.problems[0]?.message ?? 'not compiled';
      for (const policy of policies) broken.set(policy.name, problem);
    } else {
      set = compiled;
    }
  }

  const usage = emptyUsage();
  for (const policy of policies) mergeUsage(usage, policy.usage);
  const times = [...usage.times].map(([dimension, points]): [TimeDimension, Breakpoints] => [
    dimension,
    points === 'raw' ? 'raw' : [...points].sort((a, b) => a - b),
  ]);
  const leaves = [...usage.leaves];
  const usesPosture = leaves.some((leaf) => leaf.startsWith('posture.'));
  const steps: ((inputs: PolicyInputs) => KeyPart)[] = [
    ...(usage.user ? [({ user }: PolicyInputs): KeyPart => user] : []),
    // That no posture came is among the reasons of a denial.
    ...(usesPosture ? [({ posture }: PolicyInputs): KeyPart => posture === undefined] : []),
    ...leaves.flatMap((path) => {
      const leaf = contextLeaves[path];
      return leaf === undefined ? [] : (leaf.keys ?? [leaf.value as (inputs: PolicyInputs) => KeyPart]);
    }),
    ...times.map(
      ([dimension, breakpoints]) =>
        (inputs: PolicyInputs): KeyPart =>
          timeBucket(timeValue(dimension, inputs), breakpoints),
    ),
  ];
  const { groups: mentioned } = usage;
  // Sets of a new membership are new objects, so what is kept for those of an old one is never found.
  const projections = new WeakMap<GroupSet, GroupSet>();
  return {
    app: name,
    network,
    lane,
    policies,
    candidates,
    excluded,
    hasPermit: policies.some(({ effect }) => effect === 'permit'),
    byId: new Map(policies.map((policy) => [policy.id, policy])),
    ...(set === undefined ? {} : { set }),
    broken,
    leaves,
    usesPosture,
    usesSignIn: leaves.some((leaf) => leaf.startsWith('signIn.')),
    usesTime: times.length > 0,
    times: new Map(times),
    groups: mentioned,
    keyArity: steps.length + 1,
    keyOf(inputs, groups, membership) {
      let projected = mentioned === 'all' ? groups : projections.get(groups);
      if (projected === undefined) {
        projected = membership.project(groups, mentioned as ReadonlySet<string>);
        projections.set(groups, projected);
      }
      const key: KeyPart[] = [projected];
      for (const step of steps) key.push(step(inputs));
      return key;
    },
    secondsToReview: (inputs) =>
      Math.min(
        Infinity,
        ...times.map(([dimension, breakpoints]) => secondsToBreakpoint(dimension, inputs, breakpoints)),
      ),
  };
}
