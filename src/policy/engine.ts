import type { ControlState } from '../domain/control-state.ts';
import type { AccessFacts, Decision } from '../domain/decision.ts';
import { policyVersionOf } from './policy-version.ts';
import type { Explanation } from './explanation.ts';

/** The policy decision point. It judges; it reads no clock, socket or disk. Without a state it denies. */
export interface PolicyEngine {
  /** Swaps in a new state, whole. Policies are compiled at the first decision of each application. */
  load(state: ControlState): void;
  /**
   * Judges one access. Equal inputs give the identical object until the next `load`, so that callers may hang
   * caches on a decision. Never throws: what cannot be judged is denied with `policy-error`.
   */
  decide(facts: AccessFacts): Decision;
  /** The same judgement with each policy's part in it, and what would change it. Slow: for people, not for flows. */
  explain(facts: AccessFacts): Explanation;
  /** Whether the passing of time alone can change the policies' answer, token expiry apart. */
  dependsOnTime(facts: AccessFacts): boolean;
  /**
   * Seconds from `facts.now` until time alone can first change the answer (a posture that gets too old, an hour
   * that ends, the token that expires): a live flow has to be decided again then at the latest. Always above zero.
   */
  nextReviewSeconds(facts: AccessFacts): number;
}

export function createPolicyEngine(): PolicyEngine {
  let policyVersion = '0-00000000';
  const deny = (): Decision => ({ effect: 'deny', reasons: ['policy-error'], policies: [], policyVersion });
  return {
    load(state) {
      policyVersion = policyVersionOf(state.head);
    },
    decide: deny,
    explain: () => ({
      effect: 'deny',
      reasons: ['policy-error'],
      policies: [],
      wouldChange: [],
      policyVersion,
    }),
    dependsOnTime: () => false,
    nextReviewSeconds: (facts) => Math.max(1, facts.subject.token.expiresAt - facts.now),
  };
}
