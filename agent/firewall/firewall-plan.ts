import { isIPv6 } from 'node:net';
import type { FirewallPolicy, FirewallRule } from '../../src/contract/firewall-policy.ts';

/** A place that may always be reached. */
export interface Peer {
  /** Numeric. */
  readonly address: string;
  readonly port: number;
}

/** What a packet filter is to do, in the words of none of them. */
export interface FirewallPlan {
  readonly inbound: readonly FirewallRule[];
  /** Undefined where everything may go out. */
  readonly outbound: readonly FirewallRule[] | undefined;
  /** Gateways and control plane, sorted; a plan that is the same is written the same. */
  readonly peers: readonly Peer[];
}

export function buildPlan(
  firewall: NonNullable<FirewallPolicy['firewall']>,
  peers: readonly Peer[],
): FirewallPlan {
  const unique = new Map(peers.map((peer) => [`${peer.address} ${peer.port}`, peer]));
  const sorted = [...unique].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, peer]) => peer);
  return { inbound: firewall.inbound, outbound: firewall.outbound, peers: sorted };
}

export const isIpv6Range = (range: string): boolean => isIPv6(range.split('/')[0] ?? '');

/** The addresses of a rule in one family; undefined for anybody, and none where it names only the other family. */
export function addressesOf(rule: FirewallRule, isIpv6: boolean): readonly string[] | undefined {
  return rule.addresses?.filter((range) => isIpv6Range(range) === isIpv6);
}
