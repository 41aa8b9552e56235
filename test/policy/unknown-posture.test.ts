import { expect, test } from 'vitest';
import { postureCriteria } from '../../src/domain/posture.ts';
import { allowed, denied, engineOf, factsOf, policy } from './facts.ts';

test.each(postureCriteria)('never takes an unknown %s for true', (criterion) => {
  const engine = engineOf({
    policies: [
      policy('needs', `permit (principal, action, resource) when { context.posture.${criterion} };`),
    ],
  });
  expect(engine.decide(factsOf({ checks: { [criterion]: true } }))).toEqual(allowed('needs'));
  expect(engine.decide(factsOf({ checks: { [criterion]: false } }))).toEqual(denied(['no-policy-permits']));
  expect(engine.decide(factsOf({ checks: { [criterion]: 'unknown' } }))).toEqual(
    denied(['no-policy-permits', 'posture-unknown']),
  );
});

test('lets a forbid on a criterion that is not true fire on an unknown one', () => {
  const engine = engineOf({
    policies: [
      policy('all', 'permit (principal, action, resource);'),
      policy(
        'encrypted-only',
        'forbid (principal, action, resource) when { !context.posture.diskEncrypted };',
      ),
      policy('booted', 'forbid (principal, action, resource) unless { context.posture.secureBoot };'),
    ],
  });
  expect(engine.decide(factsOf())).toEqual(allowed('all'));
  expect(engine.decide(factsOf({ checks: { diskEncrypted: 'unknown' } }))).toEqual(
    denied(['policy-forbids', 'posture-unknown'], 'encrypted-only'),
  );
  expect(engine.decide(factsOf({ posture: null }))).toEqual(
    denied(['policy-forbids', 'posture-missing'], 'booted', 'encrypted-only'),
  );
});

test('tells policies which criteria are unknown', () => {
  const engine = engineOf({
    policies: [
      policy(
        'tolerant',
        'permit (principal, action, resource) when { context.posture.secureBoot || context.posture.unknown.contains("secureBoot") };',
      ),
    ],
  });
  expect(engine.decide(factsOf({ checks: { secureBoot: 'unknown' } }))).toEqual(allowed('tolerant'));
  expect(engine.decide(factsOf({ checks: { secureBoot: false } }))).toEqual(denied(['no-policy-permits']));
});

test('shows a missing posture as missing, with every criterion unknown and older than any limit', () => {
  const engine = engineOf({
    policies: [
      policy(
        'only-missing',
        `permit (principal, action, resource) when {
           context.posture.missing && context.posture.ageSeconds > 9000000000 &&
           context.posture.unknown.containsAll(${JSON.stringify(postureCriteria)}) && context.posture.os == "" };`,
      ),
    ],
  });
  expect(engine.decide(factsOf({ posture: null }))).toEqual(allowed('only-missing'));
  expect(engine.decide(factsOf())).toEqual(denied(['no-policy-permits']));
});

test('does not take a criterion that a token left out for true', () => {
  const engine = engineOf({
    policies: [policy('needs', 'permit (principal, action, resource) when { context.posture.secureBoot };')],
  });
  const facts = factsOf();
  const checks: Record<string, unknown> = { ...facts.subject.token.posture?.checks };
  expect(engine.decide(facts)).toEqual(allowed('needs'));
  delete checks['secureBoot'];
  const posture = { ...facts.subject.token.posture, checks } as unknown as NonNullable<
    typeof facts.subject.token.posture
  >;
  const subject = { ...facts.subject, token: { ...facts.subject.token, posture } };
  expect(engine.decide({ ...facts, subject })).toEqual(denied(['no-policy-permits', 'posture-unknown']));
});
