import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { App } from '../../src/domain/resources.ts';
import { createUpstreamChoice } from '../../src/routing/upstream-choice.ts';
import type { UpstreamChoice } from '../../src/routing/upstream-choice.ts';
import { app } from '../lab/resources.ts';

const three = app({ upstreams: ['http://10.0.0.1:80', 'http://10.0.0.2:80', 'http://10.0.0.3:80'] });
const order = (choice: UpstreamChoice, of: App, nowMs: number) =>
  choice.candidates(of, nowMs).map(({ host }) => Number(host.at(-1)));
const at = (of: App, choice: UpstreamChoice, host: number) => {
  const found = choice.candidates(of, 0).find((upstream) => upstream.host === `10.0.0.${host}`);
  if (found === undefined) throw new Error('no such upstream');
  return found;
};
const ascending = (a: number, b: number): number => a - b;
const upstream = (host: number) => ({
  scheme: 'http' as const,
  host: `10.0.0.${host}`,
  port: 80,
  tls: false,
});

describe('the choice of an upstream', () => {
  it('takes turns, and offers the others behind the one whose turn it is', () => {
    const choice = createUpstreamChoice();
    expect([0, 0, 0, 0].map((now) => order(choice, three, now))).toEqual([
      [1, 2, 3],
      [2, 3, 1],
      [3, 1, 2],
      [1, 2, 3],
    ]);
  });

  it('takes turns for each app apart', () => {
    const choice = createUpstreamChoice();
    const other = app({ ...three, name: 'other' });
    expect(order(choice, three, 0)).toEqual([1, 2, 3]);
    expect(order(choice, other, 0)).toEqual([1, 2, 3]);
  });

  it('puts last what failed, gives its turns to all others alike, and tries it again after a while', () => {
    const choice = createUpstreamChoice({ firstMs: 1000, maxMs: 60_000 });
    choice.failed(three, upstream(2), 0);
    const firsts = Array.from({ length: 100 }, () => order(choice, three, 999)[0]);
    expect(firsts.filter((host) => host === 1)).toHaveLength(50);
    expect(firsts.filter((host) => host === 3)).toHaveLength(50);
    expect(order(choice, three, 999).at(-1)).toBe(2);
    expect([1, 2, 3].map(() => order(choice, three, 1000)[0] ?? 0).toSorted(ascending)).toEqual([1, 2, 3]);
  });

  it('doubles the time with each failure in a row up to the bound, and forgets it after a success', () => {
    const choice = createUpstreamChoice({ firstMs: 1000, maxMs: 4000 });
    const outFor = (from: number): number => {
      choice.failed(three, upstream(1), from);
      let now = from;
      while (order(choice, three, now).at(-1) === 1 && now - from < 100_000) now += 500;
      // Whose turn it is decides who is last among those in service: only a place in front proves that it is back.
      while (![0, 1, 2].some(() => order(choice, three, now)[0] === 1)) now += 500;
      return now - from;
    };
    expect([0, 100_000, 200_000, 300_000].map(outFor)).toEqual([1000, 2000, 4000, 4000]);
    choice.succeeded(three, upstream(1));
    expect(outFor(400_000)).toBe(1000);
  });

  it('counts dials that failed together as one failure', () => {
    const choice = createUpstreamChoice({ firstMs: 1000, maxMs: 60_000 });
    for (let dial = 0; dial < 50; dial++) choice.failed(three, upstream(1), dial);
    expect([0, 1, 2].map(() => order(choice, three, 1000)[0])).toContain(1);
  });

  it('tries all the same when all failed, soonest back first', () => {
    const choice = createUpstreamChoice({ firstMs: 1000, maxMs: 60_000 });
    choice.failed(three, upstream(3), 0);
    choice.failed(three, upstream(1), 10);
    choice.failed(three, upstream(2), 20);
    expect(order(choice, three, 30)).toEqual([3, 1, 2]);
  });

  it('knows nothing of an app that was changed: a mended upstream does not wait out an old sentence', () => {
    const choice = createUpstreamChoice();
    choice.failed(three, upstream(1), 0);
    expect(order(choice, three, 1).at(-1)).toBe(1);
    expect(order(choice, { ...three }, 1)[0]).toBe(1);
  });

  it('overlooks what is said of an upstream that the app does not have', () => {
    const choice = createUpstreamChoice();
    choice.failed(three, upstream(9), 0);
    choice.failed(three, { ...upstream(1), port: 8080 }, 0);
    choice.succeeded(three, upstream(9));
    expect(order(choice, three, 1)).toEqual([1, 2, 3]);
  });

  it('offers every upstream exactly once, whatever failed when', () => {
    const steps = fc.array(
      fc.record({ host: fc.integer({ min: 1, max: 3 }), afterMs: fc.nat(5000), fails: fc.boolean() }),
    );
    fc.assert(
      fc.property(steps, (taken) => {
        const choice = createUpstreamChoice();
        let now = 0;
        for (const { host, afterMs, fails } of taken) {
          now += afterMs;
          if (fails) choice.failed(three, at(three, choice, host), now);
          else choice.succeeded(three, at(three, choice, host));
          expect(order(choice, three, now).toSorted(ascending)).toEqual([1, 2, 3]);
        }
      }),
    );
  });
});
