import { compilePolicySet } from './cedar.ts';
import type { CompiledPolicySet } from './cedar.ts';
import type { ParsedPolicy } from './parsed-policy.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import { emptyUsage, mergeUsage } from './policy-usage.ts';
import { meetsScope } from './principal-scope.ts';

/** Policies to ask together, and what they may see. */
export interface AskedPolicies {
  readonly app: string;
  readonly network: string;
  readonly leaves: readonly string[];
  readonly groups: ReadonlySet<string> | 'all';
  /** Absent where there is no policy to ask. */
  readonly set?: CompiledPolicySet;
}

/**
 * Most policies of an application are for one group each, and a user is in few. Those whose scope names another principal
 * can neither hold nor fail, so they need not be asked: what is left is compiled once, on first demand, and asking it costs
 * a fraction. How much is kept is bounded by the size of the whole.
 */
export interface SliceParts {
  /** The policies whose scope admits this principal; all of them where the part is one too many. */
  of(inputs: PolicyInputs): AskedPolicies;
  /** Gives the places of the parts back; the whole is the caller's. */
  release(): void;
}

/** The parts may hold this many times the policies of the whole. */
const partsToWhole = 4;
const fewestKept = 64;

export function createSliceParts(policies: readonly ParsedPolicy[], whole: AskedPolicies): SliceParts {
  const isSelective = policies.some(({ principal }) => principal !== undefined);
  const parts = new Map<string, AskedPolicies>();
  let room = Math.max(fewestKept, policies.length * partsToWhole);

  const compile = (chosen: readonly ParsedPolicy[]): AskedPolicies => {
    const { app, network } = whole;
    if (chosen.length === 0) return { app, network, leaves: [], groups: new Set() };
    const set = compilePolicySet(Object.fromEntries(chosen.map(({ id, text }) => [id, text])));
    if ('problems' in set) return whole;
    const usage = emptyUsage();
    for (const policy of chosen) mergeUsage(usage, policy.usage);
    return { app, network, leaves: [...usage.leaves], groups: usage.groups, set };
  };

  return {
    of(inputs) {
      if (!isSelective) return whole;
      const chosen: ParsedPolicy[] = [];
      // Places in the list, which is never another for these parts.
      let key = '';
      for (const [place, policy] of policies.entries()) {
        if (!meetsScope(policy.principal, inputs)) continue;
        chosen.push(policy);
        key += `${place},`;
      }
      if (chosen.length === policies.length) return whole;
      const known = parts.get(key);
      if (known !== undefined) return known;
      const cost = Math.max(1, chosen.length);
      if (cost > room) return whole;
      const part = compile(chosen);
      room -= cost;
      parts.set(key, part);
      return part;
    },
    release() {
      for (const part of parts.values()) if (part !== whole) part.set?.release();
      parts.clear();
    },
  };
}
