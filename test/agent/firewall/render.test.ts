import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { buildPlan } from '../../../agent/firewall/firewall-plan.ts';
import { renderNftables } from '../../../agent/firewall/nftables.ts';
import { packetFilterOf } from '../../../agent/firewall/packet-filters.ts';
import { renderPf } from '../../../agent/firewall/pf.ts';
import { renderWindowsFirewall } from '../../../agent/firewall/windows-firewall.ts';

const ssh = { protocol: 'tcp', ports: [22], addresses: ['10.0.0.0/8', '2001:db8::/32'] } as const;
const peers = [
  { address: '192.0.2.1', port: 8443 },
  { address: '2001:db8::1', port: 8443 },
  { address: '192.0.2.1', port: 8443 },
];
const open = buildPlan(
  { name: 'x', inbound: [{ ...ssh, ports: [22], addresses: [...ssh.addresses] }] },
  peers,
);
const closed = buildPlan(
  { name: 'x', inbound: [], outbound: [{ protocol: 'tcp', ports: [80, 443] }] },
  peers,
);

it('writes the same plan the same, whatever order its peers came in', () => {
  expect(buildPlan({ name: 'x', inbound: [] }, [...peers].reverse()).peers).toEqual(open.peers);
  expect(open.peers).toHaveLength(2);
});

describe('nftables', () => {
  it('replaces its own table in one transaction, and closes what comes in but for what is listed', () => {
    const text = renderNftables(open);
    expect(text.split('\n').slice(0, 3)).toEqual([
      'table inet postern',
      'delete table inet postern',
      'table inet postern {',
    ]);
    expect(text).toContain('ip saddr { 10.0.0.0/8 } tcp dport { 22 } accept');
    expect(text).toContain('ip6 saddr { 2001:db8::/32 } tcp dport { 22 } accept');
    expect(text).toContain('hook input priority filter - 5; policy drop;');
    expect(text).not.toContain('hook output');
  });

  it('lets out what is listed, gateways, DHCP and names, where going out is limited', () => {
    const text = renderNftables(closed);
    expect(text).toContain('hook output priority filter - 5; policy drop;');
    expect(text).toContain('ip daddr . tcp dport { 192.0.2.1 . 8443 } accept');
    expect(text).toContain('ip6 daddr . tcp dport { 2001:db8::1 . 8443 } accept');
    expect(text).toContain('tcp dport { 80, 443 } accept');
  });

  const nft = '/usr/sbin/nft';
  it.skipIf(!existsSync(nft) || process.geteuid?.() !== 0)(
    'is what nft takes [skipped: apt-get install nftables, and run as root]',
    () => {
      for (const plan of [open, closed])
        expect(() =>
          execFileSync(nft, ['--check', '-f', '-'], { input: renderNftables(plan) }),
        ).not.toThrow();
    },
  );
});

it('says the same to pf, the first rule that fits being the last', () => {
  const lines = renderPf(open).split('\n');
  const at = (text: string): number => lines.findIndex((line) => line.includes(text));
  expect(at('proto tcp from { 10.0.0.0/8 } to any port { 22 }')).toBeGreaterThan(0);
  expect(at('inet6 proto tcp from { 2001:db8::/32 } to any port { 22 }')).toBeGreaterThan(0);
  expect(at('block drop in quick all')).toBeGreaterThan(at('port { 22 }'));
  expect(renderPf(open)).toContain('pass out quick all keep state');
  expect(renderPf(closed)).toContain('pass out quick inet6 proto tcp to 2001:db8::1 port 8443 keep state');
  expect(renderPf(closed).trimEnd().split('\n').at(-1)).toBe('block return out quick all');
});

it('says the same to Windows, closing only after what is let through is there', () => {
  const lines = renderWindowsFirewall(closed).trimEnd().split('\n');
  expect(lines.at(-2)).toContain('-DefaultInboundAction Block');
  expect(lines.at(-2)).toContain('-DefaultOutboundAction Block');
  expect(lines.at(-1)).toBe('$old | Remove-NetFirewallRule');
  expect(lines.join('\n')).toContain("-Protocol TCP -RemotePort '8443' -RemoteAddress '192.0.2.1'");
  expect(renderWindowsFirewall(open)).toContain(
    "-LocalPort '22' -RemoteAddress '10.0.0.0/8','2001:db8::/32'",
  );
  expect(renderWindowsFirewall(open)).toContain('-DefaultOutboundAction Allow');
});

it('runs the programs of each system by absolute path, with rules on standard input', async () => {
  const ran: [string, string][] = [];
  const run = (path: string, args: readonly string[], options: { input?: string } = {}): Promise<string> => {
    ran.push([[path, ...args].join(' '), options.input ?? '']);
    return Promise.resolve('');
  };
  for (const platform of ['linux', 'darwin', 'win32'] as const) {
    const filter = packetFilterOf(platform, run);
    await filter.load(closed);
    expect(await filter.listing()).toBeUndefined();
    await filter.remove();
  }
  const shell =
    'C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe -NoLogo -NoProfile -NonInteractive -Command -';
  const anchor = '/sbin/pfctl -q -a com.apple/250.postern';
  expect(ran.map(([command]) => command)).toEqual([
    '/usr/sbin/nft -f -',
    '/usr/sbin/nft -j list table inet postern',
    '/usr/sbin/nft -f -',
    `${anchor} -f -`,
    '/sbin/pfctl -q -E',
    `${anchor} -s rules`,
    `${anchor} -F all`,
    shell,
    shell,
    shell,
  ]);
  expect(ran.map(([, input]) => input)).toEqual(
    expect.arrayContaining([renderNftables(closed), renderPf(closed), renderWindowsFirewall(closed)]),
  );
  expect(() => packetFilterOf('aix', run)).toThrow('no firewall for aix');
});
