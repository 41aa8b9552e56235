import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { checkPolicies } from '../../src/policy/check-policies.ts';
import type { DeviceId } from '../../src/domain/ids.ts';
import { createPolicyEngine } from '../../src/policy/engine.ts';
import { app, device, factsOf, group, policy, stateOf } from './facts.ts';

const context = {
  apps: [app(), app('wiki', 'people')],
  groups: ['finance', 'contractors'],
  networks: ['finance', 'people'],
};

/** What is said of the last of some policies. */
function saidOf(...texts: string[]): string[] {
  const policies = texts.map((text, index) => policy(`p${index + 1}`, text));
  return checkPolicies(policies, context)
    .filter(({ policy: name }) => name === policies.at(-1)?.name)
    .map(({ message }) => message);
}

const financeGrants = 'permit (principal in Group::"finance", action, resource == App::"grants");';
const fresh = (seconds: number): string =>
  `permit (principal in Group::"finance", action, resource) when { context.posture.ageSeconds < ${seconds} };`;

describe('policies that another makes pointless', () => {
  const pointless: [string, string, string, RegExp][] = [
    [
      'for one app among all',
      'permit (principal in Group::"finance", action, resource);',
      financeGrants,
      /^changes nothing: policy p1 permits all that it permits$/,
    ],
    [
      'for one app of a network',
      'permit (principal, action == Action::"access", resource in Network::"finance");',
      financeGrants,
      /permits all that it permits/,
    ],
    [
      'with one more condition',
      financeGrants,
      financeGrants.replace(';', ' when { context.posture.secureBoot };'),
      /permits all/,
    ],
    ['with a tighter bound', fresh(600), fresh(300), /permits all/],
    [
      'with its bound written the other way round',
      fresh(600),
      'permit (principal in Group::"finance", action, resource) when { 300 > context.posture.ageSeconds };',
      /permits all/,
    ],
    [
      'that says the same with its group in the condition',
      financeGrants,
      'permit (principal, action, resource) when { resource == App::"grants" && principal in Group::"finance" };',
      /policy p1 says the same$/,
    ],
    [
      'with one of two alternatives',
      'permit (principal, action, resource) when { context.posture.secureBoot || context.posture.firewallEnabled };',
      'permit (principal, action, resource) when { context.posture.firewallEnabled };',
      /permits all/,
    ],
    [
      'with one more exception',
      'permit (principal, action, resource) unless { context.posture.missing };',
      'permit (principal, action, resource) unless { context.request.method == "PUT" || context.posture.missing };',
      /permits all/,
    ],
    [
      'that forbids less than another',
      'forbid (principal, action, resource);',
      'forbid (principal in Group::"contractors", action, resource);',
      /forbids all that it forbids/,
    ],
    [
      'whose permission a forbid always takes back',
      'forbid (principal, action, resource in Network::"finance") unless { context.posture.diskEncrypted };',
      'permit (principal, action, resource == App::"grants") unless { context.posture.diskEncrypted };',
      /^never takes effect: policy p1 forbids all that it permits$/,
    ],
  ];
  it.each(pointless)('names one %s', (_title, broad, narrow, message) => {
    expect(saidOf(broad, narrow)).toEqual([expect.stringMatching(message)]);
  });

  const different: [string, string, string][] = [
    ['of another group', 'permit (principal in Group::"contractors", action, resource);', financeGrants],
    ['of another network', 'permit (principal, action, resource in Network::"people");', financeGrants],
    [
      'that asks for less',
      financeGrants.replace(';', ' when { context.posture.secureBoot };'),
      financeGrants,
    ],
    ['with a looser bound', fresh(300), fresh(600)],
    [
      'that a forbid overrules only at times',
      'forbid (principal, action, resource) unless { context.posture.diskEncrypted };',
      financeGrants,
    ],
    [
      'that a permit seems to contradict',
      'permit (principal, action, resource);',
      'forbid (principal in Group::"contractors", action, resource);',
    ],
    [
      'whose broader twin may fail before it is asked',
      'permit (principal, action, resource) when { context.posture.ageSeconds * 9223372036854775807 > 0 || context.posture.secureBoot };',
      'permit (principal, action, resource) when { context.posture.secureBoot };',
    ],
    // Where it overflows, the gateway denies.
    [
      'that forbids by failing',
      'forbid (principal, action, resource) when { context.posture.missing };',
      'forbid (principal, action, resource) when { context.posture.missing && context.posture.ageSeconds * 9223372036854775807 > 0 };',
    ],
  ];
  it.each(different)('has nothing against one %s', (_title, other, text) => {
    expect(saidOf(other, text)).toEqual([]);
  });

  it('does not count on a permit that has no say about machines, or about devices in quarantine', () => {
    const any = 'permit (principal, action, resource);';
    expect(saidOf(any, 'permit (principal is Device, action, resource);')).toEqual([]);
    expect(
      saidOf(
        'permit (principal is Device, action, resource);',
        'permit (principal is Device, action, resource == App::"grants");',
      ),
    ).toHaveLength(1);
    const help = 'permit (principal, action, resource) when { context.device.state != "lost" };';
    expect(saidOf(any, help)).toEqual([]);
    expect(
      saidOf(
        help,
        'permit (principal in Group::"finance", action, resource) when { context.device.state != "lost" };',
      ),
    ).toHaveLength(1);
  });

  it('does not count on a policy in shadow mode, nor on one that can never apply', () => {
    const narrow = policy('narrow', financeGrants);
    const broad = 'permit (principal, action, resource);';
    expect(checkPolicies([policy('broad', broad, 'shadow'), narrow], context)).toEqual([]);
    const never =
      'forbid (principal, action, resource) when { context.posture.missing } unless { context.posture.missing };';
    expect(checkPolicies([policy('never', never), narrow], context)).toHaveLength(1);
  });

  it('names the later of two that say the same, and places a policy within its resource', () => {
    const twice = `permit (principal in Group::"contractors", action, resource == App::"wiki");\n\n${financeGrants}\n`;
    expect(checkPolicies([policy('one', financeGrants), policy('two', twice)], context)).toEqual([
      { policy: 'two', severity: 'warning', line: 3, message: 'changes nothing: policy one says the same' },
    ]);
  });

  it('compares 5,000 policies, each with the few that could matter to it', () => {
    const apps = Array.from({ length: 150 }, (_, index) => app(`app-${index}`, `network-${index % 123}`));
    const groups = Array.from({ length: 200 }, (_, index) => `group-${index}`);
    const policies = Array.from({ length: 5000 }, (_, index) =>
      policy(
        `policy-${index}`,
        `permit (principal in Group::"group-${index % 200}", action == Action::"access", resource == App::"app-${index % 150}")
         when { context.posture.diskEncrypted && context.posture.ageSeconds < ${600 + index} };`,
      ),
    );
    const found = checkPolicies(policies, { apps, groups, networks: [] });
    // Of each group and app only the last, which has the widest bound, does anything.
    expect(found).toHaveLength(5000 - 600);
  });
});

// Whatever is named as pointless can be taken away, and no decision is another than before.
it('names nothing that changes a decision', () => {
  const scope = fc.constantFrom(
    'principal',
    'principal in Group::"finance"',
    'principal == User::"alice@example.org"',
    'principal is User in Group::"contractors"',
    'principal is User',
    'principal is Device',
  );
  const resource = fc.constantFrom(
    'resource',
    'resource == App::"grants"',
    'resource in Network::"finance"',
    'resource is App',
  );
  const condition = fc.constantFrom(
    'context.posture.secureBoot',
    '!context.posture.secureBoot',
    'context.posture.ageSeconds < 100',
    'context.posture.ageSeconds <= 30',
    'context.posture.ageSeconds == 60',
    'context.request.path like "/a*"',
    'context.posture.secureBoot || context.posture.ageSeconds > 40',
    '!(context.posture.missing || context.posture.ageSeconds >= 50)',
    'principal in Group::"finance"',
    'context.device.state != "lost"',
    'context.device.state == "quarantined"',
    'context.signIn.ageSeconds < 60',
    'context.signIn.mfa',
    'context.posture.ageSeconds * 9223372036854775807 > 0',
    'context.posture.ageSeconds * 9223372036854775807 > 0 || context.posture.secureBoot',
  );
  const clause = fc.tuple(
    fc.constantFrom('when', 'unless'),
    fc.array(condition, { minLength: 1, maxLength: 2 }),
    fc.constantFrom(' && ', ' || '),
  );
  const text = fc
    .tuple(fc.constantFrom('permit', 'permit', 'forbid'), scope, resource, fc.array(clause, { maxLength: 2 }))
    .map(
      ([effect, who, what, clauses]) =>
        `${effect} (${who}, action, ${what}) ${clauses.map(([kind, parts, and]) => `${kind} { ${parts.join(and)} }`).join(' ')};`,
    );
  const access = fc.record({
    user: fc.constantFrom('alice@example.org', 'bob@example.org'),
    app: fc.constantFrom(app(), app('wiki', 'people')),
    path: fc.constantFrom('/', '/abc'),
    checks: fc.record({ secureBoot: fc.constantFrom(true, false, 'unknown' as const) }),
    age: fc.constantFrom(0, 1, 30, 31, 45, 60, 99, 100, 500),
    missing: fc.boolean(),
    state: fc.constantFrom('active' as const, 'quarantined' as const),
    signIn: fc.constantFrom(undefined, { at: 1_764_062_300, mfa: true }, { at: 1_764_062_390, mfa: false }),
  });
  const groups = [group('finance', ['alice@example.org']), group('contractors', ['bob@example.org'])];
  const apps = [app(), app('wiki', 'people')];
  let named = 0;
  fc.assert(
    fc.property(
      fc.array(text, { minLength: 2, maxLength: 5 }),
      fc.array(access, { minLength: 8, maxLength: 8 }),
      (texts, accesses) => {
        const policies = texts.map((each, index) => policy(`p${index}`, each));
        const pointless = checkPolicies(policies, context).filter(({ message }) =>
          /^(changes nothing|never takes effect)/.test(message),
        );
        for (const { policy: name } of pointless) {
          named += 1;
          const [all, fewer] = [policies, policies.filter((each) => each.name !== name)].map((set) => {
            const engine = createPolicyEngine();
            const devices = (['active', 'quarantined'] as const).map((state) =>
              device({ id: state as DeviceId, state }),
            );
            engine.load(stateOf({ policies: set, groups, apps, devices }));
            return engine;
          });
          for (const { user, app: asked, path, checks, age, missing, state, signIn } of accesses) {
            const now = 1_764_062_400;
            const posture = missing ? null : { measuredAt: now - age };
            const facts = factsOf({
              user,
              device: state,
              ...(signIn === undefined ? {} : { signIn }),
              app: asked,
              path,
              checks,
              posture,
              now,
              issuedAt: now,
              expiresAt: now + 60,
            });
            expect(fewer?.decide(facts).effect).toBe(all?.decide(facts).effect);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
  expect(named).toBeGreaterThan(20);
});
