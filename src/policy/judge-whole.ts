import type { Decision } from '../domain/decision.ts';
import { findChallenge } from './challenge.ts';
import { judgeShadow } from './judge-shadow.ts';
import { judge } from './judge.ts';
import type { Verdict } from './judge.ts';
import { isQuarantined } from './lanes.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import { findPostureReasons } from './posture-reasons.ts';
import type { PolicySlice } from './slices.ts';

export interface Judged {
  readonly decision: Decision;
  /** Whether it may be kept: a failure of ours may be gone the next time. */
  readonly keep: boolean;
}

/** What the policies of a slice say, and of a denial what it is due to: something the user can do, or the posture. */
export function judgeWhole(slice: PolicySlice, inputs: PolicyInputs, policyVersion: string): Judged {
  const { shadow } = slice;
  const verdict = judge(slice, inputs);
  const decision = decisionOf(verdict, slice, inputs, policyVersion);
  if (shadow === undefined) return { decision, keep: verdict.keep };
  // Last, and apart: whatever happens there, the answer stands.
  const outcome = judgeShadow(slice, shadow, inputs, { effect: decision.effect, verdict });
  return { decision: { ...decision, shadow: outcome }, keep: verdict.keep };
}

function decisionOf(
  { effect, reasons, policies }: Verdict,
  slice: PolicySlice,
  inputs: PolicyInputs,
  policyVersion: string,
): Decision {
  if (effect === 'allow') return { effect, policies, policyVersion };
  const quarantined = isQuarantined(slice.lane);
  // Where no policy speaks of devices in quarantine, that alone is the reason.
  if (quarantined && !slice.hasPermit)
    return { effect, reasons: ['device-quarantined'], policies: [], policyVersion };
  const challenge = findChallenge(slice, inputs);
  if (challenge !== undefined) {
    const { missing, maxAgeSeconds, verdict } = challenge;
    return {
      effect: 'challenge',
      missing,
      ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
      // The forbids that stand in the way, or else the permits that wait for it.
      policies: policies.length > 0 ? policies : verdict.policies,
      policyVersion,
    };
  }
  const whole = [
    ...(quarantined ? (['device-quarantined'] as const) : []),
    ...reasons,
    // A policy that could not be evaluated is a fault of its own, whatever it was about.
    ...(reasons.includes('policy-error') ? [] : findPostureReasons(slice, inputs)),
  ];
  return { effect, reasons: whole, policies, policyVersion };
}
