/*
 * Device trust that failed in silence let the user in with less than was asked (teleport#69681): a check that timed
 * out, a program that was missing or an answer of an unexpected kind was taken for "nothing to object". An attacker
 * who can stop the check, or make it answer oddly, then has a compliant laptop.
 *
 * Here every criterion in turn answers in every way that is not the value true, and all must count as not fulfilled:
 * a permit that asks for it does not hold, and a forbid on its absence does.
 */
import { expect, test } from 'vitest';
import { postureCriteria } from '../../src/domain/posture.ts';
import type { PostureValue } from '../../src/domain/posture.ts';
import { allowed, denied, engineOf, factsOf, policy } from '../policy/facts.ts';

const odd: unknown[] = [false, 'unknown', 'true', 'yes', 1, 0, null, undefined, {}, [true], ''];

test.each(postureCriteria)('counts %s as fulfilled by the value true alone', (criterion) => {
  const asks = engineOf({
    policies: [policy('asks', `permit (principal, action, resource) when { context.posture.${criterion} };`)],
  });
  const forbids = engineOf({
    policies: [
      policy('everyone', 'permit (principal, action, resource);'),
      policy('forbids', `forbid (principal, action, resource) when { !context.posture.${criterion} };`),
    ],
  });
  const withValue = (value: unknown) => factsOf({ checks: { [criterion]: value as PostureValue } });
  expect(asks.decide(withValue(true))).toEqual(allowed('asks'));
  expect(forbids.decide(withValue(true))).toEqual(allowed('everyone'));
  for (const value of odd) {
    const why = typeof value === 'boolean' ? [] : ['posture-unknown'];
    expect([value, asks.decide(withValue(value))]).toEqual([value, denied(['no-policy-permits', ...why])]);
    expect([value, forbids.decide(withValue(value))]).toEqual([
      value,
      denied(['policy-forbids', ...why], 'forbids'),
    ]);
  }
  expect(asks.decide(factsOf({ posture: null }))).toEqual(denied(['no-policy-permits', 'posture-missing']));
  expect(forbids.decide(factsOf({ posture: null }))).toEqual(
    denied(['policy-forbids', 'posture-missing'], 'forbids'),
  );
});
