import * as fc from 'fast-check';
import { postureCriteria } from '../../src/domain/posture.ts';
import type { Policy } from '../../src/domain/resources.ts';
import { app, factsOf, group, now, policy } from './facts.ts';

/** Random policy sets and accesses over a small world, so that they meet: three apps, two networks, four groups. */
export const apps = [app('grants', 'finance'), app('wiki', 'finance'), app('pay', 'people')];
export const groups = [
  group('finance', ['alice@example.org', 'bob@example.org']),
  group('contractors', ['bob@example.org']),
  group('claimed', { claim: 'groups', value: 'c' }),
  group('empty', []),
];
const users = ['alice@example.org', 'bob@example.org', 'carol@example.org'];

const principalScope = fc.constantFrom(
  'principal',
  'principal is User',
  ...groups.map(({ name }) => `principal in Group::"${name}"`),
  'principal is User in Group::"finance"',
  ...users.map((user) => `principal == User::"${user}"`),
  'principal in User::"alice@example.org"',
);
const resourceScope = fc.constantFrom(
  'resource',
  'resource is App',
  ...apps.map(({ name }) => `resource == App::"${name}"`),
  'resource in App::"wiki"',
  'resource in Network::"finance"',
  'resource is App in Network::"people"',
  'resource == App::"gone"',
  'resource == Network::"finance"',
);
const actionScope = fc.constantFrom('action', 'action == Action::"access"', 'action in [Action::"access"]');

export const conditions = [
  ...postureCriteria.map((name) => `context.posture.${name}`),
  ...postureCriteria.map((name) => `context["posture"]["${name}"]`),
  'context.posture.ageSeconds < 600',
  '600 >= context.posture.ageSeconds',
  'context.posture.ageSeconds == 60',
  'context.posture.ageSeconds != 61',
  'context.posture.ageSeconds + 1 > 300',
  'context.posture.ageSeconds * 9223372036854775807 > 0',
  'context.posture.ageSeconds < 9223372036854775807',
  'context.posture.missing',
  'context.posture.unknown.contains("secureBoot")',
  'context.posture.unknown.isEmpty()',
  'context.posture == context.posture',
  '{ Var: context.posture.os, Value: context.posture.secureBoot }.Value',
  'context.posture.os == "linux"',
  'context.posture.osVersion like "1*"',
  'context.posture.agentVersion != ""',
  'context has posture',
  'context.posture has ageSeconds',
  'context.signIn.mfa',
  'context.signIn.missing',
  'context.signIn.ageSeconds < 300',
  '61 > context.signIn.ageSeconds',
  'context.signIn.ageSeconds * 2 > 119',
  'context.signIn == context.signIn',
  'context.device.id == "laptop-1"',
  'context.device.state == "active"',
  'context.device.state == "quarantined"',
  '["active", "quarantined"].contains(context.device.state)',
  'context.device.role == "laptop"',
  'context.device.enrolledAgeSeconds >= 86400',
  'context.request.method == "GET"',
  '["GET", "HEAD"].contains(context.request.method)',
  'context.request.path like "/admin*"',
  'context.request.host == "grants.apps.example.org"',
  'context.source.address.isInRange(ip("192.0.2.0/24"))',
  'context.source.address.isIpv6()',
  'context.now < datetime("2026-11-25T09:20:30Z")',
  'datetime("2026-11-25") <= context.now',
  'context.now.toTime() >= duration("9h20m")',
  'context.now.toTime() < duration("9h20m1s")',
  'context.now.toDate() == datetime("2026-11-25")',
  'context.now.offset(duration("1m")) > datetime("2026-11-25T09:21:30Z")',
  'context.now.toTime().toSeconds() == 33600',
  'principal in Group::"contractors"',
  'principal in [Group::"claimed", Group::"empty"]',
  'principal in [User::"bob@example.org", User::"carol@example.org"]',
  'principal is User in Group::"finance"',
  'principal == User::"carol@example.org"',
  'User::"alice@example.org" != principal',
  'resource == App::"wiki"',
  'resource in Network::"people"',
  'principal == principal',
  'true',
  'false',
];
const atom = fc.constantFrom(...conditions);
const condition = fc.letrec<{ expression: string }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    atom,
    fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a}) && (${b})`),
    fc.tuple(tie('expression'), tie('expression')).map(([a, b]) => `(${a}) || (${b})`),
    tie('expression').map((a) => `!(${a})`),
    fc
      .tuple(tie('expression'), tie('expression'), tie('expression'))
      .map(([a, b, c]) => `(if ${a} then ${b} else ${c})`),
  ),
})).expression;

const cedarText = fc
  .record({
    // Several permits to a forbid, or all is denied and nothing is tried.
    effect: fc.constantFrom('permit', 'permit', 'permit', 'forbid'),
    principal: principalScope,
    action: actionScope,
    resource: resourceScope,
    when: fc.option(condition),
    unless: fc.option(condition, { freq: 1 }),
  })
  .map(
    ({ effect, principal, action, resource, when, unless }) =>
      `${effect} (${principal}, ${action}, ${resource})${when === null ? '' : ` when { ${when} }`}${
        unless === null ? '' : ` unless { ${unless} }`
      };`,
  );

/** Up to ten Policy resources, some of several Cedar policies, some in shadow mode. */
export const policySets: fc.Arbitrary<Policy[]> = fc
  .array(
    fc.tuple(
      fc.array(cedarText, { minLength: 1, maxLength: 3 }),
      fc.constantFrom(undefined, undefined, 'enforce' as const, 'shadow' as const),
    ),
    { maxLength: 10 },
  )
  .map((resources) => resources.map(([texts, mode], index) => policy(`p${index}`, texts.join('\n'), mode)));

const check = fc.constantFrom(true, true, false, 'unknown' as const);

/** An access that no state check refuses, of an active laptop or the quarantined `laptop-3`. */
export const accesses = fc
  .record({
    user: fc.constantFrom(...users),
    claims: fc.constantFrom({}, { groups: ['c'] }, { groups: ['d'] }),
    device: fc.constantFrom('laptop-1', 'laptop-2', 'laptop-3'),
    posture: fc.option(
      fc.record({
        measuredAt: fc.constantFrom(
          now,
          now - 59,
          now - 60,
          now - 61,
          now - 599,
          now - 600,
          now - 601,
          now + 5,
        ),
        os: fc.constantFrom('linux', 'macos'),
        osVersion: fc.constantFrom('13', '26'),
        agentVersion: fc.constantFrom('', '0.1.0'),
      }),
      { freq: 6 },
    ),
    checks: fc.record(Object.fromEntries(postureCriteria.map((name) => [name, check]))),
    signIn: fc.constantFrom(
      undefined,
      { at: now - 60, mfa: true },
      { at: now - 61, mfa: false },
      { at: now - 300, mfa: true },
      { at: now + 5, mfa: false },
    ),
    app: fc.constantFrom(...apps),
    method: fc.constantFrom('GET', 'POST', 'CONNECT'),
    path: fc.constantFrom('/', '/admin', ''),
    sourceAddress: fc.constantFrom('192.0.2.10', '::ffff:192.0.2.10', '2001:db8::1'),
    now: fc.constantFrom(now, now + 1, now + 30, now + 0.5, now - 1),
    expiresAt: fc.constant(now + 900),
  })
  .map(({ signIn, ...parts }) => factsOf({ ...parts, ...(signIn === undefined ? {} : { signIn }) }));
