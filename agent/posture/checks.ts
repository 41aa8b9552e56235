import { diskEncrypted } from './checks/disk-encrypted.ts';
import { firewallEnabled } from './checks/firewall-enabled.ts';
import { osUpToDate } from './checks/os-up-to-date.ts';
import { protectionRunning } from './checks/protection-running.ts';
import { screenLockEnabled } from './checks/screen-lock-enabled.ts';
import { secureBoot } from './checks/secure-boot.ts';
import type { PostureCheck, PostureCriterion } from './posture-check.ts';

/** How each criterion is found out: a file each. The criteria themselves are a table in src/domain/posture.ts. */
const checks = {
  diskEncrypted,
  firewallEnabled,
  screenLockEnabled,
  osUpToDate,
  secureBoot,
  protectionRunning,
} as const satisfies Record<PostureCriterion, PostureCheck>;

export const postureChecks: readonly PostureCheck[] = Object.values(checks);
