import { diskEncrypted } from './disk-encrypted.ts';
import { firewallEnabled } from './firewall-enabled.ts';
import { protectionRunning, screenLockEnabled } from './not-told.ts';
import { osUpToDate } from './os-up-to-date.ts';
import type { PostureCheck } from './posture-check.ts';
import { secureBoot } from './secure-boot.ts';

/** All posture checks, in the order that people see them. Adding one is a file and a line here. */
export const postureChecks: readonly PostureCheck[] = [
  diskEncrypted,
  firewallEnabled,
  screenLockEnabled,
  osUpToDate,
  secureBoot,
  protectionRunning,
];
