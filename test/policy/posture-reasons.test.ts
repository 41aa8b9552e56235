import { expect, test } from 'vitest';
import { allowed, denied, engineOf, factsOf, now, policy } from './facts.ts';
import type { FactParts } from './facts.ts';

const decide = (condition: string, parts: FactParts, ...more: string[]) =>
  engineOf({
    policies: [
      policy('p', `permit (principal, action, resource) when { ${condition} };`),
      ...more.map((text, index) => policy(`more-${index}`, text)),
    ],
  }).decide(factsOf(parts));

const healthy = 'context.posture.diskEncrypted && context.posture.secureBoot';
const recent = `${healthy} && context.posture.ageSeconds < 600`;
const old = { posture: { measuredAt: now - 600 } };
const unread = { checks: { secureBoot: 'unknown' } } as const;

test('says that a check could not run where its good result would allow, and not where it found fault', () => {
  expect(decide(healthy, {})).toEqual(allowed('p'));
  expect(decide(healthy, unread)).toEqual(denied(['no-policy-permits', 'posture-unknown']));
  expect(decide(healthy, { checks: { secureBoot: false } })).toEqual(denied(['no-policy-permits']));
  expect(decide(healthy, { checks: { secureBoot: 'unknown', diskEncrypted: false } })).toEqual(
    denied(['no-policy-permits']),
  );
  // No policy asks for it.
  expect(
    decide('context.posture.diskEncrypted', { checks: { diskEncrypted: false, secureBoot: 'unknown' } }),
  ).toEqual(denied(['no-policy-permits']));
});

test('says that a posture is stale where a fresh one would allow, and not where it is bad besides', () => {
  expect(decide(recent, { posture: { measuredAt: now - 599 } })).toEqual(allowed('p'));
  expect(decide(recent, old)).toEqual(denied(['no-policy-permits', 'posture-stale']));
  expect(decide(recent, { ...old, checks: { secureBoot: false } })).toEqual(denied(['no-policy-permits']));
});

test('names both where only both together would allow, and one where that is enough', () => {
  expect(decide(recent, { ...old, ...unread })).toEqual(
    denied(['no-policy-permits', 'posture-unknown', 'posture-stale']),
  );
  expect(decide(`${healthy} || context.posture.ageSeconds < 600`, { ...old, ...unread })).toEqual(
    denied(['no-policy-permits', 'posture-unknown']),
  );
});

test('blames the posture neither for a forbid that holds whatever it is, nor for a group that is missing', () => {
  expect(decide(recent, old, 'forbid (principal, action, resource);')).toEqual(
    denied(['policy-forbids'], 'more-0'),
  );
  const forbidding = `forbid (principal, action, resource) when { context.posture.unknown.contains("secureBoot") };`;
  expect(decide('true', {}, forbidding)).toEqual(allowed('p'));
  expect(decide('true', unread, forbidding)).toEqual(denied(['policy-forbids', 'posture-unknown'], 'more-0'));
  const member = engineOf();
  expect(member.decide(factsOf({ user: 'bob@example.org', ...old }))).toEqual(denied(['no-policy-permits']));
});

test('keeps a check that could not run apart from one that found fault, though both are not true', () => {
  const engine = engineOf({
    policies: [policy('p', `permit (principal, action, resource) when { ${healthy} };`)],
  });
  for (let round = 0; round < 2; round++) {
    expect(engine.decide(factsOf({ checks: { secureBoot: false } }))).toEqual(denied(['no-policy-permits']));
    expect(engine.decide(factsOf(unread))).toEqual(denied(['no-policy-permits', 'posture-unknown']));
  }
});

test('never names unknown or stale where nothing was reported at all', () => {
  expect(decide(recent, { posture: null })).toEqual(denied(['no-policy-permits', 'posture-missing']));
});
