import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { device, engineOf, factsOf, now, policy } from './facts.ts';
import type { FactParts } from './facts.ts';

const reviewOf = (condition: string, parts: FactParts = {}): number => {
  const engine = engineOf({
    policies: [policy('p', `permit (principal, action, resource) when { ${condition} };`)],
  });
  return engine.nextReviewSeconds(factsOf({ expiresAt: now + 100_000, ...parts }));
};

test('says that a policy depends on time only where it does', () => {
  const depends = (condition: string): boolean =>
    engineOf({
      policies: [policy('p', `permit (principal, action, resource) when { ${condition} };`)],
    }).dependsOnTime(factsOf());
  expect(depends('context.posture.ageSeconds < 600')).toBe(true);
  expect(depends('context.now < datetime("2030-01-01")')).toBe(true);
  expect(depends('context.device.enrolledAgeSeconds < 86400')).toBe(true);
  expect(depends('context.posture.diskEncrypted')).toBe(false);
});

test('asks for a review at the second that a posture becomes too old', () => {
  expect(reviewOf('context.posture.ageSeconds < 600')).toBe(540);
  expect(reviewOf('context.posture.ageSeconds <= 600')).toBe(541);
  expect(reviewOf('context.posture.ageSeconds < 600', { now: now + 0.25 })).toBe(539.75);
});

test('asks for a review when an hour or a date is reached, and at midnight', () => {
  expect(reviewOf('context.now < datetime("2026-11-25T09:21:00Z")')).toBe(60);
  expect(reviewOf('context.now.toTime() < duration("18h")')).toBe(8 * 3600 + 40 * 60);
  expect(reviewOf('context.now.toTime() >= duration("6h")')).toBe(14 * 3600 + 40 * 60);
  expect(reviewOf('context.now.toDate() == datetime("2026-11-25")')).toBe(5);
});

test('asks for a review no later than the token and the certificate last', () => {
  expect(reviewOf('true', { expiresAt: now + 300 })).toBe(300);
  expect(reviewOf('true')).toBe(86_400);
  expect(reviewOf('true', { expiresAt: now })).toBeGreaterThan(0);
});

test('never lets the answer change by time alone before the review that it asked for', () => {
  const engine = engineOf({
    devices: [device({ enrolledAt: now - 100 })],
    policies: [
      policy(
        'p',
        `permit (principal, action, resource) when {
           context.posture.ageSeconds < 100 || 150 <= context.posture.ageSeconds && context.posture.ageSeconds != 170 ||
           context.device.enrolledAgeSeconds == 190 || context.now.toTime() > duration("9h23m") };
         forbid (principal, action, resource) when { context.now >= datetime("2026-11-25T09:24:00Z") };`,
      ),
    ],
  });
  const facts = factsOf({ expiresAt: now + 3600 });
  const answerAt = (time: number): string => engine.decide({ ...facts, now: time }).effect;
  const answers = Array.from({ length: 300 }, (_, second) => answerAt(now + second));
  expect(new Set(answers)).toEqual(new Set(['allow', 'deny']));
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 290 }), fc.constantFrom(0, 0.5), (second, fraction) => {
      const start = now + second + fraction;
      const until = start + engine.nextReviewSeconds({ ...facts, now: start });
      for (let time = start; time < until && time < now + 300; time += 0.5) {
        expect(answerAt(time)).toBe(answerAt(start));
      }
    }),
  );
});
