import type { Decision, DenialReason } from '../domain/decision.ts';
import { findCounterfactuals } from './counterfactuals.ts';
import { explainPolicy } from './explain-policy.ts';
import type { Explanation, PolicyExplanation } from './explanation.ts';
import type { ParsedPolicy } from './parsed-policy.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import type { PolicySlice } from './slices.ts';

/** What a decision was made of. */
export interface DecisionGrounds {
  /** What the state itself refused, before policies. */
  readonly stateReason: DenialReason | undefined;
  /** Absent where there is no such device or application: then policies have nothing to say. */
  readonly slice?: PolicySlice;
  readonly inputs?: PolicyInputs;
  readonly shadow: readonly ParsedPolicy[];
}

/** A decision with each policy's part in it, and what would turn it round. */
export function explainDecision(decision: Decision, grounds: DecisionGrounds): Explanation {
  const { slice, inputs, shadow, stateReason } = grounds;
  const { effect, policyVersion } = decision;
  const reasons = reasonsOf(decision);
  if (slice === undefined || inputs === undefined) {
    return { effect, reasons, policies: [], wouldChange: [], policyVersion };
  }
  const readable = new Set(slice.policies.map(({ name }) => name));
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
      ...slice.policies.map((policy) => explainPolicy(policy, 'enforce', slice, inputs)),
      ...shadow.map((policy) => explainPolicy(policy, 'shadow', slice, inputs)),
    ],
    wouldChange: findCounterfactuals(slice, inputs, decision, stateReason),
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
