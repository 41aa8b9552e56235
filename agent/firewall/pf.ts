import { isIPv6 } from 'node:net';
import type { FirewallRule } from '../../src/contract/firewall-policy.ts';
import { addressesOf } from './firewall-plan.ts';
import type { FirewallPlan } from './firewall-plan.ts';

/** Below `com.apple/*`, which the rules that macOS comes with evaluate: /etc/pf.conf stays as it is. */
export const anchorName = 'com.apple/250.postern';

function ruleLines(rule: FirewallRule, direction: 'in' | 'out'): string[] {
  const ports = `port { ${rule.ports.join(' ')} }`;
  return [false, true].flatMap((isIpv6) => {
    const addresses = addressesOf(rule, isIpv6);
    if (addresses?.length === 0) return [];
    const others = addresses === undefined ? 'any' : `{ ${addresses.join(' ')} }`;
    const [from, to] = direction === 'in' ? [others, `any ${ports}`] : ['any', `${others} ${ports}`];
    const family = isIpv6 ? 'inet6' : 'inet';
    return [`pass ${direction} quick ${family} proto ${rule.protocol} from ${from} to ${to} keep state`];
  });
}

/** The same as an anchor of pf(4): `quick` makes the first rule that fits the last. */
export function renderPf({ inbound, outbound, peers }: FirewallPlan): string {
  return [
    'pass quick on lo0 all',
    'pass quick inet proto icmp all icmp-type { unreach timex paramprob }',
    'pass quick inet6 proto icmp6 all icmp6-type { unreach toobig timex paramprob routersol routeradv neighbrsol neighbradv }',
    'pass in quick inet proto udp from any port 67 to any port 68',
    'pass in quick inet6 proto udp from fe80::/10 port 547 to any port 546',
    ...inbound.flatMap((rule) => ruleLines(rule, 'in')),
    'block drop in quick all',
    ...(outbound === undefined
      ? ['pass out quick all keep state']
      : [
          'pass out quick inet proto udp from any port 68 to any port 67 keep state',
          'pass out quick inet6 proto udp from any port 546 to any port 547 keep state',
          'pass out quick proto { tcp udp } to any port 53 keep state',
          ...peers.map(
            ({ address, port }) =>
              `pass out quick ${isIPv6(address) ? 'inet6' : 'inet'} proto tcp to ${address} port ${port} keep state`,
          ),
          ...outbound.flatMap((rule) => ruleLines(rule, 'out')),
          'block return out quick all',
        ]),
    '',
  ].join('\n');
}
