import { existsSync } from 'node:fs';
import { defaultFirewallDirectory, openFirewallFiles } from './firewall-files.ts';
import type { FirewallFiles } from './firewall-files.ts';
import type { PacketFilter } from './packet-filters.ts';

/**
 * Takes the firewall away that came with an enrollment. Only root can: a laptop whose user could open it by leaving would
 * have none. `stays` where somebody else leaves, `none` where this device brought no firewall.
 */
export async function leaveFirewall(
  device: string,
  filter: PacketFilter,
  directory = defaultFirewallDirectory,
  isRoot = process.geteuid?.() === 0,
): Promise<'removed' | 'stays' | 'none'> {
  if (!existsSync(directory)) return 'none';
  if (!isRoot) return 'stays';
  const files = openFirewallFiles(directory);
  if (files.trust()?.device !== device) return 'none';
  await removeFirewall(files, filter);
  return 'removed';
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
