import { expect, test } from 'vitest';
import { allowed, denied, engineOf, factsOf, now } from './facts.ts';

test("allows what the contract's example policy permits", () => {
  expect(engineOf().decide(factsOf())).toEqual(allowed('finance-grants'));
});

test('denies a device whose posture is older than the policy allows', () => {
  const engine = engineOf();
  const measured = (secondsAgo: number) => factsOf({ posture: { measuredAt: now - secondsAgo } });
  expect(engine.decide(measured(599))).toEqual(allowed('finance-grants'));
  expect(engine.decide(measured(600))).toEqual(denied(['no-policy-permits', 'posture-stale']));
  expect(engine.decide(measured(601))).toEqual(denied(['no-policy-permits', 'posture-stale']));
});

test('denies a live flow once its posture has aged, though nothing but time moved', () => {
  const engine = engineOf();
  const facts = factsOf({ expiresAt: now + 3600 });
  expect(engine.decide(facts)).toEqual(allowed('finance-grants'));
  expect(engine.decide({ ...facts, now: now + 539 })).toEqual(allowed('finance-grants'));
  expect(engine.decide({ ...facts, now: now + 540 })).toEqual(denied(['no-policy-permits', 'posture-stale']));
});

test('takes a posture to be no younger than when the control plane vouched for it, even by a slow clock', () => {
  const engine = engineOf();
  const slow = { now: now - 3600, expiresAt: now + 600 };
  expect(engine.decide(factsOf({ ...slow, issuedAt: now, posture: { measuredAt: now - 599 } }))).toEqual(
    allowed('finance-grants'),
  );
  expect(engine.decide(factsOf({ ...slow, issuedAt: now, posture: { measuredAt: now - 600 } }))).toEqual(
    denied(['no-policy-permits', 'posture-stale']),
  );
});

test('denies without a posture, and says that it is missing', () => {
  const engine = engineOf();
  expect(engine.decide(factsOf())).toEqual(allowed('finance-grants'));
  expect(engine.decide(factsOf({ posture: null }))).toEqual(denied(['no-policy-permits', 'posture-missing']));
});
