import { existsSync } from 'node:fs';
import type { Clock } from '../clock.ts';
import { startStopwatch } from '../clock.ts';
import { createSystemFiles } from '../posture/system-files.ts';
import { defaultFirewallDirectory, openFirewallFiles } from './firewall-files.ts';
import type { FirewallFiles } from './firewall-files.ts';
import type { PacketFilter } from './packet-filters.ts';
import { readPublishedFirewall } from './published-firewall.ts';
import type { FirewallState } from './published-firewall.ts';
import { systemFilter } from './system-filter.ts';

/** It looks every few seconds. */
const longestWaitSeconds = 30;
const lookEveryMs = 200;

export interface LeavingFirewall {
  readonly device: string;
  /** Whether the control plane's word that this device has left lies where the helper looks. */
  readonly hasWord: boolean;
  readonly clock: Clock;
  readonly directory?: string;
  readonly isRoot?: boolean;
  readonly filter?: () => PacketFilter;
  readonly published?: () => Promise<FirewallState | undefined>;
}

/**
 * Takes the firewall away that came with an enrollment: at once as root, otherwise by the helper, which does so on the
 * control plane's word alone: a laptop whose user could open it without that would have no firewall. `stays` where
 * neither is to be had, `none` where this device brought no firewall.
 */
export async function leaveFirewall(leaving: LeavingFirewall): Promise<'removed' | 'stays' | 'none'> {
  const { device, directory = defaultFirewallDirectory, isRoot = process.geteuid?.() === 0 } = leaving;
  if (!existsSync(directory)) return 'none';
  if (!isRoot) return leaving.hasWord ? awaitHelper(leaving) : 'stays';
  const files = openFirewallFiles(directory);
  if (files.trust()?.device !== device) return 'none';
  await removeFirewall(files, (leaving.filter ?? systemFilter)());
  return 'removed';
}

async function awaitHelper({
  clock,
  published = () => readPublishedFirewall(createSystemFiles()),
}: LeavingFirewall): Promise<'removed' | 'stays' | 'none'> {
  const waited = startStopwatch(clock);
  const before = await published();
  for (let now = before; now !== undefined; now = await published()) {
    // Without a reason there is none by policy, and it has not seen yet that we left.
    if (now.state === 'none' && now.reason !== undefined)
      return before?.state === 'none' ? 'none' : 'removed';
    if (waited() > longestWaitSeconds) break;
    await clock.sleep(lookEveryMs);
  }
  return 'stays';
}

/** Believes nobody any more, and takes away what is there of ours. Where the system's program is not, nothing ever was. */
export async function removeFirewall(
  files: Pick<FirewallFiles, 'forget'>,
  filter: Pick<PacketFilter, 'remove'>,
): Promise<void> {
  files.forget();
  try {
    await filter.remove();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}
