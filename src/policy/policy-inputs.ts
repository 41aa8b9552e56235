import type { AccessRequest } from '../domain/decision.ts';
import type { Device } from '../domain/device.ts';
import type { Posture } from '../domain/posture.ts';

/** Everything that policies may see of one access, gathered in one place so that a counterfactual can replace a part. */
export interface PolicyInputs {
  readonly user: string;
  readonly groups: readonly string[];
  readonly device: Device;
  readonly posture: Posture | undefined;
  readonly request: AccessRequest;
  /** Epoch seconds, whole. */
  readonly now: number;
  /** Epoch seconds: when the control plane vouched for all this. */
  readonly vouchedAt: number;
}

/** Three hundred years: older than any policy accepts, and far from overflowing a Cedar Long. */
export const missingPostureAgeSeconds = 9_467_280_000;

/**
 * Whole seconds since the posture was measured. The control plane signed it at `vouchedAt`, so it is no younger than
 * it was then, even where this gateway's clock is slow.
 */
export function postureAgeSeconds({ posture, now, vouchedAt }: PolicyInputs): number {
  if (posture === undefined) return missingPostureAgeSeconds;
  return Math.max(0, Math.floor(Math.max(now, vouchedAt) - posture.measuredAt));
}
