/** One policy's part in a judgement. */
export interface PolicyExplanation {
  /** Name of the Policy resource; one that holds several Cedar policies has an entry for each. */
  readonly name: string;
  readonly effect: 'permit' | 'forbid';
  /** Whether its scope and conditions held. */
  readonly satisfied: boolean;
  /** `shadow` policies are looked at and never enforced. */
  readonly mode: 'enforce' | 'shadow';
  /** A sentence for people: which part did not hold, with the value that was seen. */
  readonly explanation: string;
}

/** A decision with everything that led to it: the body of `POST /v1/why`, but for where the posture came from. */
export interface Explanation {
  readonly effect: 'allow' | 'deny' | 'challenge';
  readonly reasons: readonly string[];
  readonly policies: readonly PolicyExplanation[];
  /** Single changes that were tried and turned the decision round, in words. */
  readonly wouldChange: readonly string[];
  readonly policyVersion: string;
}
