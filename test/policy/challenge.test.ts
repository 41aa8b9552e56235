import { expect, test } from 'vitest';
import type { ChallengeWord } from '../../src/domain/decision.ts';
import { allowed, denied, engineOf, factsOf, now, policy } from './facts.ts';
import type { FactParts } from './facts.ts';

const permitWhen = (condition: string) =>
  policy('payroll', `permit (principal, action, resource) when { ${condition} };`);
const challenged = (missing: readonly ChallengeWord[], maxAgeSeconds?: number, ...policies: string[]) => ({
  effect: 'challenge',
  missing,
  ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }),
  policies: policies.length > 0 ? policies : ['payroll'],
  policyVersion: '7-abcdef01',
});
const decide = (condition: string, parts: FactParts = {}) =>
  engineOf({ policies: [permitWhen(condition)] }).decide(factsOf(parts));

const recent = 'context.signIn.ageSeconds < 300';
const both = `${recent} && context.signIn.mfa`;
const at = (secondsAgo: number, mfa = false) => ({ signIn: { at: now - secondsAgo, mfa } });

test('asks for a fresh sign-in where one would allow, and says how old it may be', () => {
  expect(decide(recent, at(299))).toEqual(allowed('payroll'));
  expect(decide(recent, at(300))).toEqual(challenged(['fresh-sign-in'], 299));
  expect(decide(recent)).toEqual(challenged(['fresh-sign-in'], 299));
});

test('asks for a second factor where that alone is missing', () => {
  expect(decide(both, at(10, true))).toEqual(allowed('payroll'));
  expect(decide(both, at(10))).toEqual(challenged(['mfa']));
  expect(decide('context.signIn.mfa')).toEqual(challenged(['mfa']));
});

test('asks for both only where neither is enough', () => {
  expect(decide(both, at(300))).toEqual(challenged(['fresh-sign-in', 'mfa'], 299));
  expect(decide(both, at(300, true))).toEqual(challenged(['fresh-sign-in'], 299));
  expect(decide(`${recent} || context.signIn.mfa`, at(300))).toEqual(challenged(['fresh-sign-in'], 299));
});

test('asks for a sign-in where any would do, without naming an age', () => {
  expect(decide('!context.signIn.missing', at(1_000_000))).toEqual(allowed('payroll'));
  expect(decide('!context.signIn.missing')).toEqual(challenged(['fresh-sign-in']));
});

test('denies where something else is in the way as well, so that nobody signs in for nothing', () => {
  const healthy = `${recent} && context.posture.diskEncrypted`;
  expect(decide(healthy, at(300))).toEqual(challenged(['fresh-sign-in'], 299));
  expect(decide(healthy, { ...at(300), checks: { diskEncrypted: false } })).toEqual(
    denied(['no-policy-permits']),
  );
  expect(decide('context.signIn.ageSeconds < 0', at(300))).toEqual(denied(['no-policy-permits']));
});

test('denies where a forbid would hold all the same, and asks where the forbid itself waits for a sign-in', () => {
  const withForbid = (condition: string) =>
    engineOf({
      policies: [
        permitWhen(recent),
        policy('never', `forbid (principal, action, resource) when { ${condition} };`),
      ],
    });
  expect(withForbid('context.request.path == "/x"').decide(factsOf(at(300)))).toEqual(
    challenged(['fresh-sign-in'], 299),
  );
  expect(withForbid('context.request.path == "/"').decide(factsOf(at(300)))).toEqual(
    denied(['policy-forbids'], 'never'),
  );
  expect(withForbid('!context.signIn.mfa').decide(factsOf(at(10)))).toEqual(
    challenged(['mfa'], undefined, 'never'),
  );
});

test('never asks where no policy speaks of a sign-in', () => {
  expect(decide('context.posture.diskEncrypted')).toEqual(allowed('payroll'));
  expect(decide('context.posture.diskEncrypted', { checks: { diskEncrypted: false } })).toEqual(
    denied(['no-policy-permits']),
  );
});

test('asks for a review at the second that a sign-in becomes too old', () => {
  const engine = engineOf({ policies: [permitWhen(recent)] });
  const facts = factsOf(at(200));
  expect(engine.dependsOnTime(facts)).toBe(true);
  expect(engine.nextReviewSeconds(facts)).toBe(100);
  expect(engine.decide(facts)).toEqual(allowed('payroll'));
  expect(engine.decide({ ...facts, now: now + 100 })).toEqual(challenged(['fresh-sign-in'], 299));
  expect(engine.nextReviewSeconds(factsOf())).toBe(570);
});

test('takes a sign-in to be no younger than when the control plane vouched for it', () => {
  expect(decide(recent, { ...at(299), issuedAt: now, now: now - 600 })).toEqual(allowed('payroll'));
  expect(decide(recent, { ...at(300), issuedAt: now, now: now - 600 })).toEqual(
    challenged(['fresh-sign-in'], 299),
  );
});

test('explains a challenge by what it asks for, and what there is instead', () => {
  const explain = (parts: FactParts) => {
    const { effect, reasons, policies, wouldChange } = engineOf({ policies: [permitWhen(both)] }).explain(
      factsOf(parts),
    );
    return { effect, reasons, wouldChange, why: policies.map(({ explanation }) => explanation) };
  };
  expect(explain(at(400))).toEqual({
    effect: 'challenge',
    reasons: ['fresh-sign-in', 'mfa'],
    wouldChange: [
      'Allowed if the user signed in again with more than one factor, at most 299 s ago (the last time was 400 s ago).',
    ],
    why: [
      'Does not apply: `context.signIn.ageSeconds < 300` does not hold: context.signIn.ageSeconds is 400.',
    ],
  });
  expect(explain({})).toMatchObject({
    wouldChange: [
      'Allowed if the user signed in again with more than one factor, at most 299 s ago (the user never did).',
    ],
    why: ['Does not apply: `context.signIn.ageSeconds < 300` does not hold: the user never signed in.'],
  });
  expect(explain(at(20))).toMatchObject({
    effect: 'challenge',
    wouldChange: ['Allowed if the user signed in with more than one factor.'],
  });
  expect(explain(at(20, true))).toMatchObject({
    effect: 'allow',
    wouldChange: [
      'Denied if the user had signed in a day ago.',
      'Denied if the sign-in had taken one factor only.',
    ],
  });
});
