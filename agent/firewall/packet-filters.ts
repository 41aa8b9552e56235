import { nft } from '../posture/packet-filter.ts';
import type { RunOptions } from '../posture/run-trusted.ts';
import type { FirewallPlan } from './firewall-plan.ts';
import { normalizeListing, renderNftables, tableName } from './nftables.ts';
import { anchorName, renderPf } from './pf.ts';
import { removeWindowsFirewall, renderWindowsFirewall, ruleGroup } from './windows-firewall.ts';

/** The packet filter of a system, as far as our own part of it goes. */
export interface PacketFilter {
  /** Puts a plan in the place of what is there of ours. Throws where the system takes it not, and nothing changed then. */
  load(plan: FirewallPlan): Promise<void>;
  /** What is there of ours, as text to compare; undefined where nothing is. */
  listing(): Promise<string | undefined>;
  remove(): Promise<void>;
}

type Run = (path: string, args: readonly string[], options?: RunOptions) => Promise<string>;

const orUndefined = async (listing: Promise<string>): Promise<string | undefined> => {
  const text = await listing.catch(() => '');
  return text.trim() === '' ? undefined : text;
};

const nftables = (run: Run): PacketFilter => ({
  load: async (plan) => void (await run(nft, ['-f', '-'], { input: renderNftables(plan) })),
  listing: async () => {
    const text = await orUndefined(run(nft, ['-j', 'list', 'table', 'inet', tableName]));
    return text === undefined ? undefined : normalizeListing(text);
  },
  // Added first, so that there is one to delete.
  remove: async () =>
    void (await run(nft, ['-f', '-'], {
      input: `table inet ${tableName}\ndelete table inet ${tableName}\n`,
    })),
});

const pfctl = '/sbin/pfctl';
const pf = (run: Run): PacketFilter => ({
  load: async (plan) => {
    await run(pfctl, ['-q', '-a', anchorName, '-f', '-'], { input: renderPf(plan) });
    await run(pfctl, ['-q', '-E']);
  },
  listing: () => orUndefined(run(pfctl, ['-q', '-a', anchorName, '-s', 'rules'])),
  remove: async () => void (await run(pfctl, ['-q', '-a', anchorName, '-F', 'all'])),
});

const powershell = 'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe';
const windows = (run: Run): PacketFilter => {
  const script = (input: string): Promise<string> =>
    run(powershell, ['-NoLogo', '-NoProfile', '-NonInteractive', '-Command', '-'], { input });
  return {
    load: async (plan) => void (await script(renderWindowsFirewall(plan))),
    listing: () =>
      orUndefined(
        script(
          `Get-NetFirewallRule -Group '${ruleGroup}' -ErrorAction SilentlyContinue | Sort-Object InstanceID | Select-Object InstanceID,Enabled,Action | ConvertTo-Json -Compress\n`,
        ),
      ),
    remove: async () => void (await script(removeWindowsFirewall)),
  };
};

/** @throws Error on a system whose packet filter is not known. */
export function packetFilterOf(platform: NodeJS.Platform, run: Run): PacketFilter {
  if (platform === 'linux') return nftables(run);
  if (platform === 'darwin') return pf(run);
  if (platform === 'win32') return windows(run);
  throw new Error(`no firewall for ${platform}`);
}
