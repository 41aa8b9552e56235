import type { AccessRequest } from '../domain/decision.ts';
import type { Device } from '../domain/device.ts';
import type { Posture } from '../domain/posture.ts';
import type { SignIn } from '../domain/subject.ts';

/** What is known of the user's sign-in. `at` in epoch seconds; absent where there was none. */
export type SignInFacts = Partial<Pick<SignIn, 'at'>> & Pick<SignIn, 'mfa'>;
export const noSignIn: SignInFacts = { mfa: false };

/** Everything that policies may see of one access, gathered in one place so that a counterfactual can replace a part. */
export interface PolicyInputs {
  /** The user, or a machine's own name: what groups list. */
  readonly user: string;
  readonly groups: readonly string[];
  readonly device: Device;
  readonly posture: Posture | undefined;
  readonly signIn: SignInFacts;
  readonly request: AccessRequest;
  /** Epoch seconds, whole. */
  readonly now: number;
  /** Epoch seconds: when the control plane vouched for all this. */
  readonly vouchedAt: number;
}

/** Three hundred years: older than any policy accepts, and far from overflowing a Cedar Long. */
export const missingAgeSeconds = 9_467_280_000;

/**
 * Whole seconds since the posture was measured. The control plane signed it at `vouchedAt`, so it is no younger than
 * it was then, even where this gateway's clock is slow.
 */
export function postureAgeSeconds(inputs: PolicyInputs): number {
  if (inputs.posture === undefined) return missingAgeSeconds;
  return Math.max(0, Math.floor(freshest(inputs) - inputs.posture.measuredAt));
}

/** What was measured at this moment has the age zero. */
export const freshest = ({ now, vouchedAt }: PolicyInputs): number => Math.max(now, vouchedAt);

/** Whole seconds since the user signed in, by the same clocks. */
export function signInAgeSeconds(inputs: PolicyInputs): number {
  if (inputs.signIn.at === undefined) return missingAgeSeconds;
  return Math.max(0, Math.floor(freshest(inputs) - inputs.signIn.at));
}
