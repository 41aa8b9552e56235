import { createHash } from 'node:crypto';
import type { ControlEvent } from '../../../src/domain/events.ts';
import type { AppName, DeviceId, NetworkName, UserName } from '../../../src/domain/ids.ts';
import type { App, Group, Network, Policy, Resource } from '../../../src/domain/resources.ts';

/** How large the organization is that measurements are made for. */
export interface OrganizationSize {
  readonly networks: number;
  readonly apps: number;
  readonly policies: number;
  readonly users: number;
  readonly devices: number;
}

export const fullSize: OrganizationSize = {
  networks: 123,
  apps: 150,
  policies: 5000,
  users: 30_000,
  devices: 10_000,
};

export const userName = (index: number): UserName => `user-${index}@example.org` as UserName;
export const deviceId = (index: number): DeviceId => `d-${index.toString(32).padStart(16, 'z')}` as DeviceId;
export const appName = (index: number): AppName => `app-${index}` as AppName;

const usersAGroup = 100;
/** A user is in three groups. */
const groupsOfUser = (user: number, groups: number): number[] => [
  user % groups,
  (user * 7 + 1) % groups,
  (user * 13 + 5) % groups,
];

/** Networks that reuse each other's addresses, applications in them, groups of all users, and policies for each application. */
export function organizationResources(size: OrganizationSize): Resource[] {
  const groupCount = Math.max(1, Math.ceil(size.users / usersAGroup));
  const members: string[][] = Array.from({ length: groupCount }, () => []);
  for (let user = 0; user < size.users; user += 1)
    for (const group of new Set(groupsOfUser(user, groupCount))) members[group]?.push(userName(user));
  return [
    ...Array.from(
      { length: size.networks },
      (_, index): Network => ({
        kind: 'Network',
        name: `network-${index}` as NetworkName,
        attach: { direct: true },
      }),
    ),
    ...members.map((list, index): Group => ({ kind: 'Group', name: `group-${index}`, members: list })),
    ...Array.from({ length: size.policies }, (_, index) => policyOf(index, size.apps, groupCount)),
    ...Array.from(
      { length: size.apps },
      (_, index): App => ({
        kind: 'App',
        name: appName(index),
        network: `network-${index % size.networks}` as NetworkName,
        host: `${appName(index)}.apps.example.org`,
        protocol: 'http',
        upstreams: ['http://10.0.0.2:8080', 'http://10.0.0.3:8080'],
      }),
    ),
  ];
}

/** Ten policies speak of every application; the others each of one, with the conditions that people write. */
function policyOf(index: number, apps: number, groups: number): Policy {
  const group = `Group::"group-${index % groups}"`;
  const name = `policy-${index}`;
  if (index < 10)
    return {
      kind: 'Policy',
      name,
      cedar: `forbid (principal in ${group}, action, resource) when { context.source.address.isInRange(ip("192.0.2.${index}/32")) };`,
    };
  const scope = `principal in ${group}, action == Action::"access", resource == App::"${appName(index % apps)}"`;
  const condition = [
    `context.posture.diskEncrypted && context.posture.ageSeconds < ${600 + index}`,
    `context.posture.diskEncrypted && context.posture.firewallEnabled && context.request.path != "/closed-${index}"`,
    `context.request.path like "/part-${index}/*"`,
    `context.request.method == "GET" && context.device.enrolledAgeSeconds > ${index}`,
  ][index % 4] as string;
  return { kind: 'Policy', name, cedar: `permit (${scope})\nwhen { ${condition} };` };
}

const digest = (text: string, encoding: 'hex' | 'base64url'): string =>
  createHash('sha256').update(text).digest(encoding);

/** What a ledger says of a laptop that enrolled. `notAfter` in epoch seconds. */
export function enrollmentEvents(index: number, notAfter: number): ControlEvent[] {
  const user = userName(index);
  const id = `token-${index}`;
  return [
    {
      type: 'enrollment-token-created',
      id,
      secretHash: digest(id, 'base64url'),
      user,
      role: 'laptop',
      expiresAt: notAfter,
    },
    {
      type: 'device-enrolled',
      device: deviceId(index),
      enrollmentToken: id,
      user,
      role: 'laptop',
      certificate: certificateOf(index, 0, notAfter),
    },
  ];
}

/** The certificate of a device's renewal number `renewal`. */
export const certificateOf = (
  index: number,
  renewal: number,
  notAfter: number,
): { serial: string; thumbprint: string; notAfter: number } => {
  const seed = `certificate ${index} ${renewal}`;
  return {
    serial: `A${digest(seed, 'hex').slice(0, 30).toUpperCase()}`,
    thumbprint: digest(seed, 'base64url'),
    notAfter,
  };
};
