import type { Decision, DenialReason } from '../domain/decision.ts';
import { findCounterfactuals } from './counterfactuals.ts';
import { explainPolicy } from './explain-policy.ts';
import type { Explanation, PolicyExplanation } from './explanation.ts';
import type { ParsedPolicy } from './parsed-policy.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import type { PolicySlice } from './slices.ts';

export interface PolicyGrounds {
  readonly slice: PolicySlice;
  readonly inputs: PolicyInputs;
}

/** What a decision was made of. */
export interface DecisionGrounds {
  /** What the state itself refused, before policies. */
  readonly stateReason: DenialReason | undefined;
  /** Absent where there is no such device or application: then policies have nothing to say. */
  readonly grounds?: PolicyGrounds;
  /** The same had the device not been in quarantine; absent where it is not. */
  readonly released?: PolicyGrounds;
  readonly shadow: readonly ParsedPolicy[];
}

/** A decision with each policy's part in it, and what would turn it round. */
export function explainDecision(decision: Decision, madeOf: DecisionGrounds): Explanation {
  const { grounds, released, shadow, stateReason } = madeOf;
  const { effect, policyVersion } = decision;
  const reasons = reasonsOf(decision);
  if (grounds === undefined) return { effect, reasons, policies: [], wouldChange: [], policyVersion };
  const { slice, inputs } = grounds;
  const readable = new Set(slice.candidates.map(({ name }) => name));
  const unreadable = [...slice.broken]
    .filter(([name]) => !readable.has(name))
    .map(
      ([name, problem]): PolicyExplanation => ({
        name,
        effect: 'forbid',
        satisfied: false,
        mode: 'enforce',
        explanation: `Cannot be read, so all that it might forbid is denied: ${problem}.`,
      }),
    );
  return {
    effect,
    reasons,
    policies: [
      ...unreadable,
      ...slice.candidates.map((policy) => explainPolicy(policy, 'enforce', slice, inputs)),
      ...shadow.map((policy) => explainPolicy(policy, 'shadow', slice, inputs)),
    ],
    wouldChange:
      released === undefined || effect !== 'deny'
        ? findCounterfactuals(slice, inputs, decision, stateReason)
        : [
            ...(slice.hasPermit ? findCounterfactuals(slice, inputs, decision, stateReason) : []),
            ...findCounterfactuals(
              released.slice,
              released.inputs,
              decision,
              stateReason ?? 'device-quarantined',
            ),
          ],
    policyVersion,
  };
}

function reasonsOf(decision: Decision): readonly string[] {
  switch (decision.effect) {
    case 'allow':
      return [];
    case 'deny':
      return decision.reasons;
    case 'challenge':
      return decision.missing;
  }
}
