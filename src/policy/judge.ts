import type { DenialReason } from '../domain/decision.ts';
import type { CedarAnswer, CedarRequest } from './cedar.ts';
import { buildContext } from './context-leaves.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import type { AskedPolicies } from './slice-parts.ts';
import type { PolicySlice } from './slices.ts';

/** A slice's answer, before it is stamped with the version of the state. */
export interface Verdict {
  readonly effect: 'allow' | 'deny';
  /** Empty when allowed. */
  readonly reasons: readonly DenialReason[];
  /** Names of the Policy resources that decided, sorted. */
  readonly policies: readonly string[];
  /** Whether it would stay a denial whatever else were permitted. */
  readonly isBlocked: boolean;
  /** Whether it may be kept: a failure of ours may be gone the next time. */
  readonly keep: boolean;
}

const principalOf = ({ user, device }: PolicyInputs): CedarRequest['principal'] =>
  device.role === 'machine' ? { type: 'Device', id: device.id } : { type: 'User', id: user };

/** The question to Cedar for a slice: it sees what the slice's key holds, and nothing else. */
export const cedarRequest = (slice: Omit<AskedPolicies, 'set'>, inputs: PolicyInputs): CedarRequest => ({
  principal: principalOf(inputs),
  groups: inputs.groups.filter((group) => slice.groups === 'all' || slice.groups.has(group)),
  app: slice.app,
  network: slice.network,
  context: buildContext(slice.leaves, inputs),
});

const policyError = (policies: readonly string[], keep: boolean): Verdict => ({
  effect: 'deny',
  reasons: ['policy-error'],
  policies,
  isBlocked: true,
  keep,
});

const nothingHolds: CedarAnswer = { allowed: false, determining: [], errors: [] };

/** Asks Cedar. Never throws: what cannot be evaluated is denied. */
export function judge(slice: PolicySlice, inputs: PolicyInputs): Verdict {
  if (slice.set === undefined) return policyError([...slice.broken.keys()].sort(), true);
  let answer;
  try {
    const asked = slice.parts.of(inputs);
    answer = asked.set === undefined ? nothingHolds : asked.set.authorize(cedarRequest(asked, inputs));
  } catch {
    return policyError([], false);
  }
  const namesOf = (ids: readonly string[]): string[] =>
    [...new Set(ids.map((id) => slice.byId.get(id)?.name ?? id))].sort();
  const failed = answer.errors.map(({ id }) => id);
  const failedForbids = failed.filter((id) => slice.byId.get(id)?.effect !== 'permit');
  if (answer.allowed) {
    // Cedar passes over a policy that it could not evaluate. A forbid that failed might have held, so it denies.
    if (failedForbids.length > 0) return policyError(namesOf(failedForbids), true);
    return {
      effect: 'allow',
      reasons: [],
      policies: namesOf(answer.determining),
      isBlocked: false,
      keep: true,
    };
  }
  const reasons: DenialReason[] = [];
  if (answer.determining.length > 0) reasons.push('policy-forbids');
  else if (failed.length === 0) reasons.push('no-policy-permits');
  if (answer.determining.length > 0 ? failedForbids.length > 0 : failed.length > 0)
    reasons.push('policy-error');
  if (slice.usesPosture && inputs.posture === undefined) reasons.push('posture-missing');
  const deciding = answer.determining.length > 0 ? [...answer.determining, ...failedForbids] : failed;
  const isBlocked = answer.determining.length > 0 || failedForbids.length > 0;
  return { effect: 'deny', reasons, policies: namesOf(deciding), isBlocked, keep: true };
}
