import type { FirewallRule } from '../../src/contract/firewall-policy.ts';
import type { FirewallPlan } from './firewall-plan.ts';

/** By it our rules are found again, and no others. */
export const ruleGroup = 'Postern';

const quoted = (values: readonly (string | number)[]): string =>
  values.map((value) => `'${String(value)}'`).join(',');

function newRule(name: string, direction: 'Inbound' | 'Outbound', rule: FirewallRule): string {
  const port = direction === 'Inbound' ? '-LocalPort' : '-RemotePort';
  const addresses = rule.addresses === undefined ? "'Any'" : quoted(rule.addresses);
  return (
    `New-NetFirewallRule -Group '${ruleGroup}' -DisplayName 'Postern ${name}' -Direction ${direction} -Action Allow ` +
    `-Profile Any -Protocol ${rule.protocol.toUpperCase()} ${port} ${quoted(rule.ports)} -RemoteAddress ${addresses} | Out-Null`
  );
}

/** Takes our rules away, and lets the profiles decide again as Windows comes. */
export const removeWindowsFirewall = [
  `Get-NetFirewallRule -Group '${ruleGroup}' -ErrorAction SilentlyContinue | Remove-NetFirewallRule`,
  'Set-NetFirewallProfile -All -DefaultInboundAction NotConfigured -DefaultOutboundAction NotConfigured -AllowInboundRules NotConfigured',
  '',
].join('\n');

/**
 * The same as a script of PowerShell. Windows has no transaction over rules: new ones come before old ones go, and the
 * profiles are closed last, so that at no time less is let through than either of the two asks for. Stateful inspection,
 * loopback, the ICMP that is needed and DHCP are of Windows itself (Core Networking).
 */
export function renderWindowsFirewall({ inbound, outbound, peers }: FirewallPlan): string {
  const outgoing: FirewallRule[] =
    outbound === undefined
      ? []
      : [
          { protocol: 'udp', ports: [53] },
          { protocol: 'tcp', ports: [53] },
          { protocol: 'udp', ports: [67, 547] },
          ...peers.map(
            ({ address, port }): FirewallRule => ({ protocol: 'tcp', ports: [port], addresses: [address] }),
          ),
          ...outbound,
        ];
  return [
    "$ErrorActionPreference='Stop'",
    `$old=@(Get-NetFirewallRule -Group '${ruleGroup}' -ErrorAction SilentlyContinue)`,
    ...inbound.map((rule, index) => newRule(`inbound ${index + 1}`, 'Inbound', rule)),
    ...outgoing.map((rule, index) => newRule(`outbound ${index + 1}`, 'Outbound', rule)),
    `Set-NetFirewallProfile -All -Enabled True -DefaultInboundAction Block -AllowInboundRules True -DefaultOutboundAction ${outbound === undefined ? 'Allow' : 'Block'}`,
    '$old | Remove-NetFirewallRule',
    '',
  ].join('\n');
}
