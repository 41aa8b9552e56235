import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBackoff } from '../../src/supervisor/backoff.ts';

const times = { firstMs: 100, maxMs: 1000, stableAfterMs: 10_000 };

describe('when to start again', () => {
  it('is at once after the first end, then doubles up to the bound', () => {
    const backoff = createBackoff(times, () => 1);
    expect(Array.from({ length: 7 }, () => backoff.next(0, 10))).toEqual([0, 100, 200, 400, 800, 1000, 1000]);
    expect(backoff.failuresInARow).toBe(7);
  });

  it('begins anew after a run that was long enough, and not after one that was a moment too short', () => {
    const backoff = createBackoff(times, () => 1);
    expect([backoff.next(0, 1), backoff.next(0, 1), backoff.next(0, 9_999)]).toEqual([0, 100, 200]);
    expect([backoff.next(0, 10_000), backoff.failuresInARow]).toEqual([0, 1]);
  });

  it('spreads those that ended together over half of the time', () => {
    const waits = [0, 0.5, 1].map((chance) => {
      const backoff = createBackoff(times, () => chance);
      backoff.next(0, 1);
      return backoff.next(0, 1);
    });
    expect(waits).toEqual([50, 75, 100]);
  });

  it('never becomes a hot loop, however often and with whatever luck something ends', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 2, maxLength: 200 }),
        (chances) => {
          let index = 0;
          const backoff = createBackoff(times, () => chances[index] ?? 0);
          const waits = chances.map((_, at) => {
            index = at;
            return backoff.next(0, 1);
          });
          expect(waits.slice(1).every((wait) => wait >= 50 && wait <= 1000)).toBe(true);
        },
      ),
    );
  });
});
