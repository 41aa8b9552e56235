import { isIPv6 } from 'node:net';
import type { FirewallRule } from '../../src/contract/firewall-policy.ts';
import { addressesOf } from './firewall-plan.ts';
import type { FirewallPlan, Peer } from './firewall-plan.ts';

/** Ours alone: nothing of what others have is touched. */
export const tableName = 'postern';

const list = (values: readonly (string | number)[]): string => `{ ${values.join(', ')} }`;

/** One line for each family of a rule. */
function ruleLines({ protocol, ports, ...rule }: FirewallRule, side: 'saddr' | 'daddr'): string[] {
  const what = `${protocol} dport ${list(ports)} accept`;
  if (rule.addresses === undefined) return [what];
  return [false, true].flatMap((isIpv6) => {
    const addresses = addressesOf({ protocol, ports, ...rule }, isIpv6) ?? [];
    return addresses.length === 0 ? [] : [`${isIpv6 ? 'ip6' : 'ip'} ${side} ${list(addresses)} ${what}`];
  });
}

const peerLines = (peers: readonly Peer[]): string[] =>
  [false, true].flatMap((isIpv6) => {
    const some = peers.filter(({ address }) => isIPv6(address) === isIpv6);
    const pairs = some.map(({ address, port }) => `${address} . ${port}`);
    return pairs.length === 0 ? [] : [`${isIpv6 ? 'ip6' : 'ip'} daddr . tcp dport ${list(pairs)} accept`];
  });

/** ICMP that TCP and UDP cannot do without (RFC 4890), and by which IPv6 finds its neighbours; never off the link. */
const errors = [
  'icmp type { destination-unreachable, time-exceeded, parameter-problem } accept',
  'icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept',
];
const neighbours =
  'ip6 hoplimit 255 icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept';
const listeners = 'icmpv6 type { mld-listener-query, mld-listener-report, mld2-listener-report } accept';

/**
 * The whole table as one transaction of nft(8): what was there goes and the new one comes in the same moment, or nothing
 * does. Adding the table first makes deleting it right also where it is not there.
 */
export function renderNftables({ inbound, outbound, peers }: FirewallPlan): string {
  const going = [
    'oifname "lo" accept',
    ...errors,
    neighbours,
    listeners,
    'udp sport 68 udp dport 67 accept',
    'udp sport 546 udp dport 547 accept',
    'meta l4proto { tcp, udp } th dport 53 accept',
    ...peerLines(peers),
    ...(outbound ?? []).flatMap((rule) => ruleLines(rule, 'daddr')),
  ];
  const chain = (name: string, hook: string, policy: string, lines: readonly string[]): string[] => [
    `  chain ${name} {`,
    `    type filter hook ${hook} priority filter - 5; policy ${policy};`,
    ...lines.map((line) => `    ${line}`),
    '  }',
  ];
  return [
    `table inet ${tableName}`,
    `delete table inet ${tableName}`,
    `table inet ${tableName} {`,
    ...chain('inbound', 'input', 'drop', [
      'ct state established,related accept',
      'iifname "lo" accept',
      'ct state invalid drop',
      ...errors,
      neighbours,
      listeners,
      'udp sport 67 udp dport 68 accept',
      'ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept',
      ...inbound.flatMap((rule) => ruleLines(rule, 'saddr')),
    ]),
    // Ports that a container publishes are forwarded, and would go around the chain above.
    ...chain('forwarded', 'forward', 'accept', [
      'ct state established,related accept',
      'ct state new ct status dnat drop',
      ...(outbound === undefined ? [] : ['jump going', 'reject with icmpx admin-prohibited']),
    ]),
    ...(outbound === undefined
      ? []
      : [
          '  chain going {',
          ...going.map((line) => `    ${line}`),
          '  }',
          ...chain('outbound', 'output', 'drop', [
            'ct state established,related accept',
            'jump going',
            'reject with icmpx admin-prohibited',
          ]),
        ]),
    '}',
    '',
  ].join('\n');
}

/** What `nft -j list table` says, without what changes by itself: handles, and the version of nft. */
export function normalizeListing(output: string): string {
  const { nftables } = JSON.parse(output) as { nftables: Record<string, unknown>[] };
  const rules = nftables.filter((entry) => !('metainfo' in entry));
  return JSON.stringify(rules, (key, value: unknown) => (key === 'handle' ? undefined : value));
}
