import { compilePolicySet } from './cedar.ts';
import type { CompiledPolicySet } from './cedar.ts';
import { exclusionFrom } from './lanes.ts';
import type { Lane } from './lanes.ts';
import type { ParsedPolicy } from './parsed-policy.ts';
import { emptyUsage, mergeUsage } from './policy-usage.ts';
import type { PolicyUsage } from './policy-usage.ts';
import { findInvalid } from './validate-once.ts';

/** The shadow policies of one application, compiled apart from those that are enforced: no fault of theirs can reach them. */
export interface ShadowSlice {
  /** By the name of their Policy resource; each of these is tried by itself. */
  readonly resources: ReadonlyMap<string, readonly ParsedPolicy[]>;
  /** Resources that cannot be tried. */
  readonly broken: readonly string[];
  readonly usage: PolicyUsage;
  readonly leaves: readonly string[];
  /**
   * Permits and forbids apart, since Cedar names no permit once a forbid holds; of each set it names all that do. None
   * where there is nothing to ask.
   */
  readonly sets: readonly CompiledPolicySet[];
}

/** `undefined` where there are no shadow policies: most of the time, and then they cost nothing. Never throws. */
export function compileShadow(
  lane: Lane,
  policies: readonly ParsedPolicy[],
  unreadable: readonly string[],
): ShadowSlice | undefined {
  if (policies.length === 0 && unreadable.length === 0) return undefined;
  const named = Map.groupBy(policies, ({ name }) => name);
  const broken = new Set(unreadable);
  const usage = emptyUsage();
  const sets: CompiledPolicySet[] = [];
  try {
    for (const { name } of findInvalid(policies).keys()) broken.add(name);
    const tried = policies.filter(
      (policy) => !broken.has(policy.name) && exclusionFrom(lane, policy) === undefined,
    );
    for (const policy of tried) mergeUsage(usage, policy.usage);
    for (const alike of Map.groupBy(tried, ({ effect }) => effect).values()) {
      const set = compilePolicySet(Object.fromEntries(alike.map(({ id, text }) => [id, text])));
      if ('problems' in set) for (const { name } of alike) broken.add(name);
      else sets.push(set);
    }
  } catch {
    for (const name of named.keys()) broken.add(name);
  }
  return {
    resources: new Map([...named].filter(([name]) => !broken.has(name))),
    broken: [...broken].sort(),
    usage,
    leaves: [...usage.leaves],
    sets,
  };
}
