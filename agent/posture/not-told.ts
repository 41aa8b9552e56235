import { unknown } from './posture-check.ts';
import type { PostureCheck, PostureCriterion } from './posture-check.ts';

/** A criterion that nothing here can vouch for: unknown, with the reason, rather than a guess from a process name. */
const notTold = (criterion: PostureCriterion, reason: string): PostureCheck => ({
  criterion,
  check: () => Promise.resolve(unknown(reason)),
});

export const screenLockEnabled = notTold(
  'screenLockEnabled',
  'each desktop keeps this for itself, where any program of the user can set it',
);

export const protectionRunning = notTold(
  'protectionRunning',
  'a process name proves nothing; no protection product vouches for itself yet',
);
