import { expect, test } from 'vitest';
import { contractPolicy, device, engineOf, factsOf, group, now, policy } from './facts.ts';
import type { FactParts, StateParts } from './facts.ts';

const explain = (facts: FactParts = {}, state: StateParts = {}) => engineOf(state).explain(factsOf(facts));
const explainOne = (cedar: string, facts: FactParts = {}) =>
  explain(facts, { policies: [policy('p', cedar)] }).policies[0];

test('says of an allowed access which policy permits it, and what would end that', () => {
  expect(explain()).toEqual({
    effect: 'allow',
    reasons: [],
    policies: [
      {
        name: 'finance-grants',
        effect: 'permit',
        satisfied: true,
        mode: 'enforce',
        explanation:
          'Permits this: alice@example.org is among those that it is for, when `context.posture.diskEncrypted && (context.posture.ageSeconds < 600)`.',
      },
    ],
    wouldChange: [
      'Denied if diskEncrypted were not true.',
      'Denied if the posture were a day old.',
      'Denied if alice@example.org were not in the group finance.',
    ],
    policyVersion: '7-abcdef01',
  });
});

const misses: [string, FactParts, string, string[]][] = [
  [
    'a posture that is too old',
    { posture: { measuredAt: now - 1200 } },
    'Does not apply: `context.posture.ageSeconds < 600` does not hold: context.posture.ageSeconds is 1200.',
    ['Allowed if the posture were just measured (it is 1200 s old).'],
  ],
  [
    'a criterion that is false',
    { checks: { diskEncrypted: false } },
    'Does not apply: `context.posture.diskEncrypted` does not hold: context.posture.diskEncrypted is false.',
    ['Allowed if diskEncrypted were true (it is false).'],
  ],
  [
    'a criterion that is unknown',
    { checks: { diskEncrypted: 'unknown' } },
    'Does not apply: `context.posture.diskEncrypted` does not hold: context.posture.diskEncrypted is unknown, which is never true.',
    ['Allowed if diskEncrypted were true (it is unknown).'],
  ],
  [
    'a user outside the group',
    { user: 'bob@example.org' },
    'Does not apply: bob@example.org is not in the group finance.',
    ['Allowed if bob@example.org were in the group finance.'],
  ],
  [
    'two criteria at once, which no single change mends',
    { checks: { diskEncrypted: false }, posture: { measuredAt: now - 1200 } },
    'Does not apply: `context.posture.diskEncrypted` does not hold: context.posture.diskEncrypted is false.',
    ['Allowed if the posture were fresh and every criterion true.'],
  ],
  [
    'no posture',
    { posture: null },
    'Does not apply: `context.posture.diskEncrypted` does not hold: context.posture.diskEncrypted is unknown, which is never true.',
    ['Allowed if a posture were reported, fresh and with every criterion true.'],
  ],
  [
    'a user outside the group with a bad posture',
    { user: 'bob@example.org', checks: { diskEncrypted: false } },
    'Does not apply: bob@example.org is not in the group finance.',
    [
      'Allowed if the posture were fresh and every criterion true, and bob@example.org were in the group finance.',
    ],
  ],
];

test.each(misses)('says what fails and what would mend it: %s', (_title, facts, explanation, wouldChange) => {
  const explained = explain(facts);
  expect(explained.effect).toBe('deny');
  expect(explained.policies).toEqual([
    { name: 'finance-grants', effect: 'permit', satisfied: false, mode: 'enforce', explanation },
  ]);
  expect(explained.wouldChange).toEqual(wouldChange);
});

test('names the forbid that held, with the values that made it hold', () => {
  const explained = explain(
    { checks: { secureBoot: 'unknown' } },
    {
      policies: [
        policy('everyone', 'permit (principal, action, resource);'),
        policy('booted', 'forbid (principal, action, resource) unless { context.posture.secureBoot };'),
      ],
    },
  );
  expect(explained).toMatchObject({ effect: 'deny', reasons: ['policy-forbids', 'posture-unknown'] });
  expect(
    explained.policies.map(({ name, satisfied, explanation }) => [name, satisfied, explanation]),
  ).toEqual([
    [
      'booted',
      true,
      'Forbids this: it is for everyone, unless `context.posture.secureBoot`: context.posture.secureBoot is unknown, which is never true.',
    ],
    ['everyone', true, 'Permits this: it is for everyone, without conditions.'],
  ]);
  expect(explained.wouldChange).toEqual(['Allowed if secureBoot were true (it is unknown).']);
});

test('shows shadow policies as such, and that they changed nothing', () => {
  const explained = explain(
    {},
    {
      policies: [
        policy('finance-grants', contractPolicy),
        policy('nobody', 'forbid (principal, action, resource);', 'shadow'),
      ],
    },
  );
  expect(explained.effect).toBe('allow');
  expect(explained.policies.find(({ name }) => name === 'nobody')).toEqual({
    name: 'nobody',
    effect: 'forbid',
    satisfied: true,
    mode: 'shadow',
    explanation: 'Forbids this: it is for everyone, without conditions. In shadow mode: not enforced.',
  });
});

test('numbers the policies of one resource in the order they are written', () => {
  const texts = Array.from(
    { length: 12 },
    (_, index) => `permit (principal, action, resource) when { context.request.path == "/${index + 1}" };`,
  );
  const explained = explain({ path: '/11' }, { policies: [policy('many', texts.join('\n'))] });
  const satisfied = explained.policies.filter((each) => each.satisfied);
  expect(satisfied.map(({ name, explanation }) => [name, explanation])).toEqual([
    ['many', '(many#11) Permits this: it is for everyone, when `context.request.path == "/11"`.'],
  ]);
});

test('tells an exception that holds, another user, and what cannot be evaluated', () => {
  expect(
    explainOne('permit (principal, action, resource) unless { context.request.path like "/a*" };', {
      path: '/a',
    }),
  ).toMatchObject({
    satisfied: false,
    explanation: 'Does not apply: its exception `context.request.path like "/a*"` holds.',
  });
  expect(explainOne('permit (principal == User::"zoe", action, resource);')).toMatchObject({
    satisfied: false,
    explanation: 'Does not apply: it is not for alice@example.org.',
  });
  expect(
    explainOne(
      'forbid (principal, action, resource) when { context.posture.ageSeconds * 9223372036854775807 > 0 };',
    ),
  ).toMatchObject({
    satisfied: false,
    explanation: expect.stringMatching(
      /^Could not be evaluated: integer overflow.*A forbid that cannot be evaluated denies\.$/,
    ) as unknown,
  });
});

test('stops at the guard of a condition and does not report what it guards', () => {
  const guarded =
    'permit (principal, action, resource) when { context.posture has os && context.posture.os == "macos" };';
  expect(explainOne(guarded)).toMatchObject({
    satisfied: false,
    explanation:
      'Does not apply: `context.posture.os == "macos"` does not hold: context.posture.os is "linux".',
  });
});

test('tries the mending of a state before policies, and both together', () => {
  const quarantined = { devices: [device({ state: 'quarantined' })] };
  expect(explain({}, quarantined)).toMatchObject({
    effect: 'deny',
    reasons: ['device-quarantined'],
    wouldChange: ['Allowed if the device were released from quarantine.'],
  });
  expect(explain({ user: 'bob@example.org' }, quarantined).wouldChange).toEqual([
    'Allowed if the device were released from quarantine, and bob@example.org were in the group finance.',
  ]);
  expect(explain({ expiresAt: now }).wouldChange).toEqual(['Allowed if the session token were fresh.']);
});

test('promises nothing where nothing that it tries would help', () => {
  const nobody = { policies: [policy('nobody', 'forbid (principal, action, resource);')] };
  expect(explain({}, nobody).wouldChange).toEqual([]);
  expect(explain({}, { apps: [] })).toMatchObject({ reasons: ['application-removed'], wouldChange: [] });
  expect(explain({ device: 'laptop-9' })).toMatchObject({
    reasons: ['device-unknown'],
    policies: [],
    wouldChange: [],
  });
});

test('says that leaving a group would help where a forbid is for its members', () => {
  const explained = explain(
    {},
    {
      groups: [group('finance', ['alice@example.org']), group('contractors', ['alice@example.org'])],
      policies: [
        policy('finance-grants', contractPolicy),
        policy('no-contractors', 'forbid (principal in Group::"contractors", action, resource);'),
      ],
    },
  );
  expect(explained.wouldChange).toEqual(['Allowed if alice@example.org were not in the group contractors.']);
});

test('names a policy that cannot be read as what denies everything', () => {
  const explained = explain(
    {},
    { policies: [policy('finance-grants', contractPolicy), policy('typo', 'forbid (principal, action')] },
  );
  expect(explained).toMatchObject({ effect: 'deny', reasons: ['policy-error'], wouldChange: [] });
  expect(explained.policies[0]).toMatchObject({
    name: 'typo',
    satisfied: false,
    explanation: expect.stringMatching(
      /^Cannot be read, so all that it might forbid is denied: unexpected end/,
    ) as unknown,
  });
});
