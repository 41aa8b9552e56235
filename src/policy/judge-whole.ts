import type { Decision } from '../domain/decision.ts';
import { findChallenge } from './challenge.ts';
import { judge } from './judge.ts';
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
  const quarantined = isQuarantined(slice.lane);
  if (quarantined && !slice.hasPermit) {
    return {
      decision: { effect: 'deny', reasons: ['device-quarantined'], policies: [], policyVersion },
      keep: true,
    };
  }
  const { effect, reasons, policies, keep } = judge(slice, inputs);
  if (effect === 'allow') return { decision: { effect, policies, policyVersion }, keep };
  const challenge = findChallenge(slice, inputs);
  if (challenge === undefined) {
    const whole = [
      ...(quarantined ? (['device-quarantined'] as const) : []),
      ...reasons,
      // A policy that could not be evaluated is a fault of its own, whatever it was about.
      ...(reasons.includes('policy-error') ? [] : findPostureReasons(slice, inputs)),
    ];
    return { decision: { effect, reasons: whole, policies, policyVersion }, keep };
  }
  const { missing, maxAgeSeconds, verdict } = challenge;
  return {
    decision: {
      effect: 'challenge',
      missing,
      ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
      // The forbids that stand in the way, or else the permits that wait for it.
      policies: policies.length > 0 ? policies : verdict.policies,
      policyVersion,
    },
    keep,
  };
}
