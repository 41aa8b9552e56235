import { isNumericAddress, scopeOfAddress } from './numeric-address.ts';
import type { Findings } from './resource-findings.ts';
import type { Firewall, FirewallRule, Group } from './resources.ts';

/** A numeric address, or a network of them: `10.0.0.0/8`. Not IPv4 in IPv6 clothes, which no packet has. */
export function isAddressRange(text: string): boolean {
  const [, address = '', bits] = /^([^/]+)(?:\/(0|[1-9][0-9]{0,2}))?$/.exec(text) ?? [];
  if (!isNumericAddress(address) || scopeOfAddress(address) === 'mapped') return false;
  return bits === undefined || Number(bits) <= (address.includes(':') ? 128 : 32);
}

/** Firewalls among the groups that would exist with them. */
export function checkFirewalls(
  firewalls: readonly Firewall[],
  groups: ReadonlyMap<string, Group>,
  { problem, warning }: Findings,
): void {
  let forAllOthers: string | undefined;
  for (const firewall of firewalls) {
    if (firewall.groups === undefined) {
      if (forAllOthers !== undefined)
        problem(
          firewall,
          'groups',
          `is missing, as in ${forAllOthers}: one firewall alone is for all others`,
        );
      forAllOthers ??= firewall.name;
    }
    for (const [index, name] of (firewall.groups ?? []).entries()) {
      const group = groups.get(name);
      if (group === undefined) problem(firewall, `groups[${index}]`, `there is no group ${name}`);
      // A laptop has a firewall before anybody signs in on it.
      else if (!Array.isArray(group.members))
        problem(firewall, `groups[${index}]`, `${name} goes by a claim, which is not known of a laptop`);
    }
    for (const key of ['inbound', 'outbound'] as const)
      for (const [index, rule] of (firewall[key] ?? []).entries()) {
        for (const address of rule.addresses ?? [])
          if (!isAddressRange(address))
            problem(firewall, `${key}[${index}].addresses`, `${address} is no numeric address or network`);
        if (key === 'inbound' && isForEverybody(rule))
          warning(firewall, `${key}[${index}]`, 'lets in anybody, in whatever network the laptop is');
      }
  }
}

const isForEverybody = ({ addresses }: FirewallRule): boolean =>
  addresses === undefined || addresses.some((address) => address.endsWith('/0'));
