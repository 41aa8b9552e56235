import type { App } from '../domain/resources.ts';
import { compilePolicySet } from './cedar.ts';
import type { CompiledPolicySet } from './cedar.ts';
import { createDecisionKey, sortedTimes } from './decision-key.ts';
import type { DecisionKey } from './decision-key.ts';
import { exclusionFrom } from './lanes.ts';
import type { Lane } from './lanes.ts';
import type { ParsedPolicy } from './parsed-policy.ts';
import type { SlicePolicies } from './policy-index.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import { emptyUsage, mergeUsage } from './policy-usage.ts';
import { createSliceParts } from './slice-parts.ts';
import type { SliceParts } from './slice-parts.ts';
import { compileShadow } from './shadow-slice.ts';
import type { ShadowSlice } from './shadow-slice.ts';
import { secondsToBreakpoint } from './time-dimensions.ts';
import type { Breakpoints, TimeDimension } from './time-dimensions.ts';
import { findInvalid } from './validate-once.ts';

/** The policies that can apply to one application, compiled, and what their answers depend on. */
export interface PolicySlice {
  readonly app: App['name'];
  readonly network: App['network'];
  readonly lane: Lane;
  readonly policies: readonly ParsedPolicy[];
  /** All that there are for the application, those among them that have no say in this lane. */
  readonly candidates: readonly ParsedPolicy[];
  readonly shadowed: readonly ParsedPolicy[];
  readonly excluded: readonly ParsedPolicy[];
  readonly hasPermit: boolean;
  readonly byId: ReadonlyMap<string, ParsedPolicy>;
  /** Absent when the slice is broken. */
  readonly set?: CompiledPolicySet;
  /** Which of them to ask for a principal. */
  readonly parts: SliceParts;
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
  /** Absent where no shadow policy is for the application. */
  readonly shadow?: ShadowSlice;
  /** What a decision is cached by, with what the shadow policies made of it. */
  readonly key: DecisionKey;
  /** Seconds until time alone can change the answer; infinite when it cannot. */
  secondsToReview(inputs: PolicyInputs): number;
}

/** Compiles the policies of one application for one lane. Never throws for bad policies: such a slice is `broken` and denies. */
export function compileSlice(
  { name, network }: Pick<App, 'name' | 'network'>,
  lane: Lane,
  { enforced: candidates, shadow: shadowed, unreadable, unreadableShadow }: SlicePolicies,
): PolicySlice {
  const excluded = candidates.filter((policy) => exclusionFrom(lane, policy) !== undefined);
  const policies =
    excluded.length === 0
      ? candidates
      : candidates.filter((policy) => exclusionFrom(lane, policy) === undefined);
  const broken = new Map(unreadable.map((resource) => [resource.name, resource.problem]));
  for (const [{ name: invalid }, problem] of findInvalid(policies)) broken.set(invalid, problem);
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
  const times = sortedTimes(usage);
  const leaves = [...usage.leaves];
  const shadow = compileShadow(lane, shadowed, unreadableShadow);
  const keyUsage = emptyUsage();
  mergeUsage(keyUsage, usage);
  if (shadow !== undefined) mergeUsage(keyUsage, shadow.usage);
  return {
    app: name,
    network,
    lane,
    policies,
    candidates,
    shadowed,
    excluded,
    hasPermit: policies.some(({ effect }) => effect === 'permit'),
    byId: new Map(policies.map((policy) => [policy.id, policy])),
    ...(set === undefined ? {} : { set }),
    parts: createSliceParts(policies, {
      app: name,
      network,
      leaves,
      groups: usage.groups,
      ...(set === undefined ? {} : { set }),
    }),
    broken,
    leaves,
    usesPosture: leaves.some((leaf) => leaf.startsWith('posture.')),
    usesSignIn: leaves.some((leaf) => leaf.startsWith('signIn.')),
    usesTime: times.size > 0,
    times,
    groups: usage.groups,
    ...(shadow === undefined ? {} : { shadow }),
    key: createDecisionKey(keyUsage),
    // Of the enforced policies alone: a shadow asks for no review.
    secondsToReview: (inputs) =>
      Math.min(
        Infinity,
        ...[...times].map(([dimension, breakpoints]) => secondsToBreakpoint(dimension, inputs, breakpoints)),
      ),
  };
}

/** Gives the places of what was compiled back. */
export function releaseSlice({ set, parts, shadow }: PolicySlice): void {
  parts.release();
  set?.release();
  shadow?.sets.forEach((each) => each.release());
}
