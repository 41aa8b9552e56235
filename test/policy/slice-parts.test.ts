import { expect, test } from 'vitest';
import { parsePolicy } from '../../src/policy/parsed-policy.ts';
import { meetsScope } from '../../src/policy/principal-scope.ts';
import { allowed, denied, device, engineOf, factsOf, group, policy } from './facts.ts';

const names = Array.from({ length: 9 }, (_, index) => `g${index}`);
const groups = names.map((name) => group(name, { claim: 'groups', value: name }));

test('answers right for every combination of groups, far more than are kept', () => {
  const engine = engineOf({
    groups,
    policies: [
      ...names.map((name) =>
        policy(`of-${name}`, `permit (principal in Group::"${name}", action, resource);`),
      ),
      policy('never', 'forbid (principal in Group::"g8", action, resource);'),
    ],
  });
  for (let round = 0; round < 2; round++) {
    for (let bits = 0; bits < 2 ** names.length; bits++) {
      const member = names.filter((_, index) => (bits & (1 << index)) !== 0);
      const expected = member.includes('g8')
        ? denied(['policy-forbids'], 'never')
        : member.length === 0
          ? denied(['no-policy-permits'])
          : allowed(...member.map((name) => `of-${name}`));
      expect(engine.decide(factsOf({ claims: { groups: member } }))).toEqual(expected);
    }
  }
});

test('passes over only those whose scope certainly names another principal', () => {
  const meets = (scope: string, who: { user?: string; groups?: string[]; machine?: true } = {}) => {
    const [parsed] = parsePolicy(policy('p', `permit (${scope}, action, resource);`)).policies;
    return meetsScope(parsed?.principal, {
      user: who.user ?? 'alice',
      groups: who.groups ?? [],
      device: device(who.machine === true ? { role: 'machine' } : {}),
    });
  };
  expect(meets('principal')).toBe(true);
  expect(meets('principal is User')).toBe(true);
  expect(meets('principal == Group::"g"')).toBe(true);
  expect([meets('principal in Group::"g"', { groups: ['g'] }), meets('principal in Group::"g"')]).toEqual([
    true,
    false,
  ]);
  expect([
    meets('principal is User in Group::"g"', { groups: ['g'] }),
    meets('principal is User in Group::"g"'),
  ]).toEqual([true, false]);
  expect([meets('principal == User::"alice"'), meets('principal == User::"bob"')]).toEqual([true, false]);
  expect([meets('principal in User::"alice"'), meets('principal in User::"bob"')]).toEqual([true, false]);
  expect([
    meets('principal == Device::"laptop-1"', { machine: true }),
    meets('principal == Device::"laptop-1"'),
    meets('principal == User::"alice"', { machine: true }),
  ]).toEqual([true, false, false]);
});
