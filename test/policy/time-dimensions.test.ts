import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { breakpointsOf, comparisons, literalSeconds, timeBucket } from '../../src/policy/time-dimensions.ts';
import type { Comparison } from '../../src/policy/time-dimensions.ts';

const compare: Record<Comparison, (a: number, b: number) => boolean> = {
  '<': (a, b) => a < b,
  '<=': (a, b) => a <= b,
  '>': (a, b) => a > b,
  '>=': (a, b) => a >= b,
  '==': (a, b) => a === b,
  '!=': (a, b) => a !== b,
};

test('gives two values of one bucket the same answer to every comparison', () => {
  const literal = fc.oneof(
    fc.integer({ min: -3, max: 12 }),
    fc.integer({ min: -6, max: 24 }).map((half) => half / 2),
  );
  const comparison = fc.record({ operator: fc.constantFrom(...comparisons), literal, onLeft: fc.boolean() });
  fc.assert(
    fc.property(fc.array(comparison, { maxLength: 4 }), (asked) => {
      const breakpoints = asked
        .flatMap(({ operator, literal, onLeft }) => breakpointsOf(operator, literal, onLeft))
        .sort((a, b) => a - b);
      const answers = (value: number): boolean[] =>
        asked.map(({ operator, literal, onLeft }) =>
          onLeft ? compare[operator](literal, value) : compare[operator](value, literal),
        );
      for (let value = 0; value < 15; value++) {
        if (timeBucket(value, breakpoints) !== timeBucket(value + 1, breakpoints)) continue;
        expect(answers(value)).toEqual(answers(value + 1));
      }
    }),
  );
});

test('puts values that a comparison tells apart in different buckets, and others in one', () => {
  expect([598, 599, 600, 601].map((age) => timeBucket(age, breakpointsOf('<', 600, false)))).toEqual([
    0, 0, 1, 1,
  ]);
  expect([599, 600, 601, 602].map((age) => timeBucket(age, breakpointsOf('<=', 600, false)))).toEqual([
    0, 0, 1, 1,
  ]);
  expect([599, 600, 601, 602].map((age) => timeBucket(age, 'raw'))).toEqual([599, 600, 601, 602]);
});

test('reads the literals that it is sure of, and no others', () => {
  const text = (fn: string, value: string) => ({ [fn]: [{ Value: value }] });
  expect(literalSeconds('postureAge', { Value: 600 })).toBe(600);
  expect(literalSeconds('postureAge', { Value: 2 ** 60 })).toBeUndefined();
  expect(literalSeconds('postureAge', { Value: '600' })).toBeUndefined();
  expect(literalSeconds('now', text('datetime', '1970-01-02'))).toBe(86_400);
  expect(literalSeconds('now', text('datetime', '1970-01-01T00:00:01.500Z'))).toBe(1.5);
  expect(literalSeconds('now', text('datetime', '1970-01-01T00:00:01+0200'))).toBeUndefined();
  expect(literalSeconds('now', text('duration', '1h'))).toBeUndefined();
  expect(literalSeconds('timeOfDay', text('duration', '1d2h3m4s500ms'))).toBe(93_784.5);
  expect(literalSeconds('timeOfDay', text('duration', '500ms'))).toBe(0.5);
  expect(literalSeconds('timeOfDay', text('duration', '5m'))).toBe(300);
  expect(literalSeconds('timeOfDay', text('duration', '-1h'))).toBe(-3600);
  expect(literalSeconds('timeOfDay', text('duration', '1h '))).toBeUndefined();
});
