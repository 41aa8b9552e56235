import { expect, test } from 'vitest';
import { checkPolicies } from '../../src/policy/check-policies.ts';
import { app, contractPolicy, policy } from './facts.ts';
import { apps, conditions, groups } from './random-policies.ts';

const context = { apps: [app()], groups: ['finance'], networks: ['finance'] };
const check = (cedar: string) => checkPolicies([policy('p', cedar)], context);
const found = (severity: 'error' | 'warning', message: RegExp, line?: number) => [
  {
    policy: 'p',
    severity,
    message: expect.stringMatching(message) as unknown,
    ...(line === undefined ? {} : { line }),
  },
];

test("has nothing against the contract's example policy", () => {
  expect(check(contractPolicy)).toEqual([]);
});

test.each(conditions.filter((condition) => condition !== 'false'))('has nothing against %s', (condition) => {
  const known = { apps, groups: groups.map(({ name }) => name) };
  const cedar = `permit (principal, action, resource) when { ${condition} };`;
  const problems = checkPolicies([policy('p', cedar)], { ...known, networks: ['finance', 'people'] });
  expect(problems).toEqual([]);
});

const problems: [string, string, ReturnType<typeof found>][] = [
  [
    'an unfinished policy',
    'permit (principal,\naction,\nresource',
    found('error', /^unexpected end of input/, 3),
  ],
  ['a misspelled keyword', 'permit (principal, action, resource)\nwhne { true };', found('error', /whne/, 2)],
  [
    'an attribute that the schema lacks, on the line it stands on after a comment with accents',
    '// é à ü\n\npermit (principal, action, resource)\nwhen { context.posture.virusFree };',
    found('error', /^attribute `posture\.virusFree` .* not found/, 4),
  ],
  [
    'a comparison of different types',
    'permit (principal, action, resource)\nwhen { context.posture.ageSeconds < "600" };',
    found('error', /expected Long but saw String/, 2),
  ],
  [
    'another action',
    'permit (principal, action == Action::"delete", resource);',
    found('error', /unrecognized action/, 1),
  ],
  [
    'another kind of resource',
    'permit (principal, action, resource == File::"x");',
    found('error', /`File`/, 1),
  ],
  [
    'a template',
    'permit (principal == ?principal, action, resource);',
    found('error', /templates .* not supported/),
  ],
  ['a text without a policy', '// permit (principal, action, resource);', found('error', /holds no policy/)],
  [
    'an application that does not exist',
    'permit (principal, action,\n  resource == App::"grant");',
    found('error', /^there is no App::"grant"$/, 2),
  ],
  [
    'a group that does not exist',
    'permit (principal in Group::"finances", action, resource);',
    found('error', /^there is no Group::"finances"$/, 1),
  ],
  [
    'a network that does not exist, in a condition',
    'permit (principal, action, resource)\nwhen { resource in Network::"hr" };',
    found('error', /^there is no Network::"hr"$/, 2),
  ],
  [
    'a policy whose condition is always false',
    'permit (principal, action, resource) when { false };',
    found('warning', /^can never apply: /, 1),
  ],
  [
    'a policy whose resource is a network and nothing in it',
    'permit (principal, action, resource == Network::"finance");',
    found('warning', /^can never apply: .*try replacing `==` with `in`/, 1),
  ],
  [
    'a policy that asks for a thing and its opposite',
    'permit (principal, action, resource);\nforbid (principal, action, resource)\nwhen { context.posture.secureBoot }\nunless { context.posture.secureBoot };',
    found('warning', /^can never apply: it asks for `context\.posture\.secureBoot` and for its opposite/, 2),
  ],
];

test.each(problems)('names %s', (_title, cedar, expected) => {
  expect(check(cedar)).toEqual(expected);
});

test('checks every policy of every resource, in order, shadow ones too', () => {
  const many = Array.from(
    { length: 12 },
    (_, n) => `permit (principal, action, resource) when { context.posture.ageSeconds != ${n} };`,
  ).join('\n');
  const checked = checkPolicies(
    [
      policy('first', `${many}\npermit (principal, action, resource) when { context.nothing };`),
      policy('second', contractPolicy),
      policy('third', 'permit (principal in Group::"nobody", action, resource);', 'shadow'),
    ],
    context,
  );
  expect(checked.map(({ policy: name, severity, line }) => [name, severity, line])).toEqual([
    ['first', 'error', 13],
    ['third', 'error', 1],
  ]);
});

test('does not take a name that is spelled with an escape for another', () => {
  expect(check('permit (principal in Group::"\\u{66}inance", action, resource);')).toEqual([]);
  expect(check('permit (principal in Group::"\\u{66}ina", action, resource);')).toEqual(
    found('error', /^there is no Group::"fina"$/),
  );
});
