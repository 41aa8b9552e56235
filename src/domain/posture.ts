/** What a posture check found; a check that could not run says `unknown`, which is never `true` to a policy. */
export type PostureValue = boolean | 'unknown';

/** The posture criteria that policies may ask for, in the order that people see them. */
export const postureCriteria = [
  'diskEncrypted',
  'firewallEnabled',
  'screenLockEnabled',
  'osUpToDate',
  'secureBoot',
  'protectionRunning',
] as const;
export type PostureCriterion = (typeof postureCriteria)[number];

/** A laptop's own account of itself. It travels inside the session token, with the time of measurement. */
export interface Posture {
  /** Epoch seconds by the control plane's clock when it accepted the measurement. */
  readonly measuredAt: number;
  readonly os: string;
  readonly osVersion: string;
  readonly agentVersion: string;
  readonly checks: Readonly<Record<PostureCriterion, PostureValue>>;
}
