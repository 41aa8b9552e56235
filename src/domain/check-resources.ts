import { checkApps } from './check-apps.ts';
import { checkFirewalls } from './check-firewalls.ts';
import { createFindings } from './resource-findings.ts';
import type { Findings, ResourceCheck } from './resource-findings.ts';
import type { Administrator, Group, Network, Policy, Resource, ResourceKind } from './resources.ts';
import { isNumericAddress } from './numeric-address.ts';

/**
 * What a schema cannot say: names that refer to each other, addresses, and what two resources must not share.
 * `resources` are all that would exist together, each already of the shape of its kind, no (kind, name) twice.
 * `reservedHosts` are the server's own names, which no app may take. Cedar texts are checked by src/policy.
 */
export function checkResources(
  resources: Iterable<Resource>,
  reservedHosts: Iterable<string> = [],
): ResourceCheck {
  const findings = createFindings();
  const all = [...resources];
  const ofKind = <Kind extends ResourceKind>(kind: Kind): Extract<Resource, { kind: Kind }>[] =>
    all.filter((resource): resource is Extract<Resource, { kind: Kind }> => resource.kind === kind);
  const networks = new Map(ofKind('Network').map((network) => [network.name, network]));
  const apps = ofKind('App');
  checkNetworks([...networks.values()], new Set(apps.map(({ network }) => network)), findings);
  checkApps(apps, networks, new Set([...reservedHosts].map((host) => host.toLowerCase())), findings);
  for (const group of ofKind('Group')) checkMembers(group, findings);
  for (const administrator of ofKind('Administrator')) checkMembers(administrator, findings);
  checkFirewalls(ofKind('Firewall'), new Map(ofKind('Group').map((group) => [group.name, group])), findings);
  for (const policy of ofKind('Policy')) checkPolicyMode(policy, findings);
  return findings.check;
}

function checkNetworks(
  networks: readonly Network[],
  inUse: ReadonlySet<string>,
  { problem, warning }: Findings,
): void {
  const byNamespace = new Map<string, string>();
  for (const network of networks) {
    const { attach, dns = [], name } = network;
    for (const [index, address] of dns.entries())
      if (!isNumericAddress(address)) problem(network, `dns[${index}]`, 'must be a numeric address');
    if ('sourceAddress' in attach && !isNumericAddress(attach.sourceAddress))
      problem(network, 'attach.sourceAddress', 'must be a numeric address');
    if ('netns' in attach) {
      const other = byNamespace.get(attach.netns);
      if (other !== undefined)
        warning(network, 'attach.netns', `is the namespace of network ${other} too: nothing parts the two`);
      byNamespace.set(attach.netns, name);
    }
    if ('direct' in attach)
      warning(network, 'attach.direct', 'gives no isolation; it is meant for development');
    if ('connector' in attach)
      warning(
        network,
        'attach.connector',
        'remote connectors are not available in this version: its flows are refused',
      );
    if (!inUse.has(name)) warning(network, '', 'has no apps');
  }
}

// Each change checks all resources, and the lists of an organization hold its people several times over: one that was
// found good is not looked at again for as long as it lives.
const goodMembers = new WeakSet<object>();

function checkMembers(group: Group | Administrator, { problem, warning }: Findings): void {
  const { members } = group;
  if (!Array.isArray(members) || goodMembers.has(members)) return;
  let isGood = members.length > 0;
  if (members.length === 0) warning(group, 'members', 'is empty');
  const seen = new Map<string, number>();
  for (const [index, member] of members.entries()) {
    // A user that no token can ever name would be a member in vain; one with a look-alike blank, a trap.
    if (/[\s\p{Cc}\p{Cf}]/u.test(member) || !member.isWellFormed()) {
      problem(group, `members[${index}]`, `${JSON.stringify(member)} holds blanks or invisible characters`);
      isGood = false;
    }
    const folded = member.toLowerCase();
    const first = seen.get(folded);
    if (first !== undefined) {
      warning(group, `members[${index}]`, `${member} is listed already, at members[${first}]`);
      isGood = false;
    } else seen.set(folded, index);
  }
  if (isGood) goodMembers.add(members);
}

function checkPolicyMode(policy: Policy, { warning }: Findings): void {
  if (policy.mode === 'shadow') warning(policy, 'mode', 'shadow: it is evaluated and logged, never enforced');
}
