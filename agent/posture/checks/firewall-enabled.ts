import { Type } from 'typebox';
import { Value } from 'typebox/value';
import { nft, refusedFamilies, refusesInIptables } from '../packet-filter.ts';
import type { Family } from '../packet-filter.ts';
import { no, unknown, yes } from '../posture-check.ts';
import type { CheckContext, Finding, PostureCheck } from '../posture-check.ts';
import { askPowerShell, parseRows } from '../powershell.ts';
import { glanceAt } from '../system-files.ts';
import type { SystemFiles } from '../system-files.ts';

const legacy: Readonly<Record<Family, { names: string; save: string }>> = {
  ip: { names: '/proc/net/ip_tables_names', save: '/usr/sbin/iptables-legacy-save' },
  ip6: { names: '/proc/net/ip6_tables_names', save: '/usr/sbin/ip6tables-legacy-save' },
};

/** All rules, whoever made them: nftables, iptables over it, firewalld and ufw end in one place; old iptables in another. */
async function checkAsRoot({ files, run }: CheckContext): Promise<Finding> {
  const hasIpv6 = ((await files.read('/proc/net/if_inet6'))?.length ?? 0) > 0;
  const needed: readonly Family[] = hasIpv6 ? ['ip', 'ip6'] : ['ip'];
  const refused = new Set<Family>(refusedFamilies(await run(nft, ['-j', 'list', 'ruleset'])));
  for (const family of needed) {
    if (refused.has(family)) continue;
    const { names, save } = legacy[family];
    if (((await files.read(names))?.length ?? 0) === 0) continue;
    if (refusesInIptables(await run(save, ['-t', 'filter']))) refused.add(family);
  }
  const open = needed.filter((family) => !refused.has(family));
  if (open.length === 0) return yes('incoming connections are refused unless allowed');
  return no(
    `nothing refuses incoming ${open.map((family) => (family === 'ip' ? 'IPv4' : 'IPv6')).join(' and ')}`,
  );
}

/** systemd has a link for each unit that is active. It is the cheapest thing that everybody may read. */
async function activeFirewalls(files: SystemFiles): Promise<readonly string[]> {
  const names = (await files.list('/run/systemd/units')) ?? [];
  return ['ufw', 'firewalld'].filter((unit) => names.includes(`invocation:${unit}.service`));
}

/** `KEY=value` of a shell-like file. */
const settingOf = (text: Buffer | undefined, key: string): string | undefined =>
  new RegExp(`^${key}=["']?([^"'\\s]*)["']?\\s*$`, 'm')
    .exec(text?.toString('utf8') ?? '')?.[1]
    ?.toLowerCase();

/** The two firewalls whose state everybody may read, both of which refuse what they do not know. */
async function checkAsUser({ files, run }: CheckContext): Promise<Finding> {
  const active = await activeFirewalls(files);
  if (active.includes('ufw')) {
    const enabled = settingOf(await files.read('/etc/ufw/ufw.conf'), 'ENABLED');
    const policy = settingOf(await files.read('/etc/default/ufw'), 'DEFAULT_INPUT_POLICY');
    if (enabled !== 'yes') return no('ufw is switched off');
    if (policy === 'accept') return no('ufw lets in what it does not know');
    return policy === undefined
      ? unknown('ufw does not say what it refuses')
      : yes('ufw refuses what it does not know');
  }
  if (active.includes('firewalld')) {
    const zone = (await run('/usr/bin/firewall-cmd', ['--get-default-zone'])).trim();
    return zone === 'trusted'
      ? no('the zone trusted of firewalld lets everything in')
      : yes(`firewalld, zone ${zone}`);
  }
  return unknown('only root may read the packet filter');
}

/** What `socketfilterfw --getglobalstate` says. */
export function readApplicationFirewall(output: string): Finding {
  const [, state] = /\(State = (\d)\)/.exec(output) ?? [];
  if (state === undefined) return unknown('socketfilterfw says something else');
  return state === '0' ? no('the firewall of macOS is off') : yes('the firewall of macOS is on');
}

const Profile = Type.Object({
  Name: Type.String(),
  Enabled: Type.Integer(),
  DefaultInboundAction: Type.Integer(),
});
/** Numbers of GpoBoolean and Action, in JSON. */
const profileOn = 1;
const inboundAllowed = 2;

/** What `Get-NetFirewallProfile` says of all profiles: the network decides which of them counts. */
export function readFirewallProfiles(output: string): Finding {
  const profiles = parseRows(output);
  if (profiles.length === 0 || !profiles.every((profile) => Value.Check(Profile, profile)))
    return unknown('Get-NetFirewallProfile says something else');
  for (const { Name, Enabled, DefaultInboundAction } of profiles) {
    if (Enabled !== profileOn) return no(`the profile ${Name} is off`);
    if (DefaultInboundAction === inboundAllowed)
      return no(`the profile ${Name} lets in what it does not know`);
  }
  return yes('all profiles refuse what they do not know');
}

export const firewallEnabled: PostureCheck = {
  criterion: 'firewallEnabled',
  platforms: {
    linux: {
      how: 'the rules of the kernel (nftables, and iptables of the old kind), IPv4 and IPv6; read by the helper that runs as root, without it ufw or firewalld where one is active',
      check: (context) => (context.privileged ? checkAsRoot(context) : checkAsUser(context)),
      glance: async ({ files, packetFilterVersion }) =>
        [
          packetFilterVersion(),
          ...(await activeFirewalls(files)),
          await glanceAt(files, ['/etc/ufw/ufw.conf', '/etc/default/ufw']),
        ].join(' '),
      keepSeconds: 60,
      needsRoot: true,
    },
    darwin: {
      how: '`socketfilterfw --getglobalstate`',
      check: async ({ run }) =>
        readApplicationFirewall(
          await run('/usr/libexec/ApplicationFirewall/socketfilterfw', ['--getglobalstate']),
        ),
      glance: ({ files }) => glanceAt(files, ['/Library/Preferences/com.apple.alf.plist']),
      keepSeconds: 60,
    },
    win32: {
      how: '`Get-NetFirewallProfile` of the rules in force, all profiles',
      check: async (context) =>
        readFirewallProfiles(
          await askPowerShell(
            context,
            'Get-NetFirewallProfile -PolicyStore ActiveStore | Select-Object Name,Enabled,DefaultInboundAction | ConvertTo-Json -Compress',
          ),
        ),
      keepSeconds: 60,
    },
  },
};
