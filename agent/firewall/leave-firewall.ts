import { existsSync } from 'node:fs';
import { defaultFirewallDirectory, openFirewallFiles } from './firewall-files.ts';
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
  files.forget();
  await filter.remove();
  return 'removed';
}
