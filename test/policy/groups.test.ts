import { expect, test } from 'vitest';
import { allowed, denied, engineOf, factsOf, group, stateOf } from './facts.ts';

test('takes members of a group from its list, by the exact name', () => {
  const engine = engineOf({ groups: [group('finance', ['alice@example.org', 'bob@example.org'])] });
  expect(engine.decide(factsOf({ user: 'bob@example.org' }))).toEqual(allowed('finance-grants'));
  for (const user of ['BOB@example.org', 'bob@example.org ', 'bob@example.or', '']) {
    expect(engine.decide(factsOf({ user }))).toEqual(denied(['no-policy-permits']));
  }
});

test('takes members of a group from the claim that the identity provider asserted', () => {
  const engine = engineOf({ groups: [group('finance', { claim: 'groups', value: 'fin' })] });
  expect(engine.decide(factsOf({ claims: { groups: ['all', 'fin'] } }))).toEqual(allowed('finance-grants'));
  expect(engine.decide(factsOf({ claims: { groups: ['all', 'finance'] } }))).toEqual(
    denied(['no-policy-permits']),
  );
  expect(engine.decide(factsOf({ claims: { roles: ['fin'] } }))).toEqual(denied(['no-policy-permits']));
  expect(engine.decide(factsOf())).toEqual(denied(['no-policy-permits']));
});

test('does not find a claim in what every object inherits', () => {
  const engine = engineOf({ groups: [group('finance', { claim: 'constructor', value: 'x' })] });
  expect(engine.decide(factsOf({ claims: { constructor: ['x'] } }))).toEqual(allowed('finance-grants'));
  expect(engine.decide(factsOf())).toEqual(denied(['no-policy-permits']));
});

test('does not keep a user in a group that the next state took the user out of', () => {
  const engine = engineOf();
  const facts = factsOf();
  expect(engine.decide(facts)).toEqual(allowed('finance-grants'));
  engine.load(stateOf({ groups: [group('finance', ['bob@example.org'])] }));
  expect(engine.decide(facts)).toEqual(denied(['no-policy-permits']));
  engine.load(stateOf());
  expect(engine.decide(facts)).toEqual(allowed('finance-grants'));
});

test('gives nobody what a policy gives to a group that does not exist', () => {
  expect(engineOf().decide(factsOf())).toEqual(allowed('finance-grants'));
  expect(engineOf({ groups: [] }).decide(factsOf())).toEqual(denied(['no-policy-permits']));
});
