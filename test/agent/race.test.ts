import { expect, it } from 'vitest';
import { attemptDelayMs, race } from '../../agent/session/race.ts';
import { createGatewayRanking, substitutesFor, targetsOf } from '../../agent/session/gateways.ts';
import { resolveHost } from '../../agent/session/resolve-host.ts';
import { createFakeClock } from './lab/fake-clock.ts';
import type { FakeClock } from './lab/fake-clock.ts';

interface Attempt {
  readonly run: (signal: AbortSignal) => Promise<string>;
  readonly started: Promise<AbortSignal>;
  succeed(): void;
  fail(message: string): void;
}

function attempt(name: string): Attempt {
  const outcome = Promise.withResolvers<string>();
  const started = Promise.withResolvers<AbortSignal>();
  return {
    run: (signal) => {
      started.resolve(signal);
      return outcome.promise;
    },
    started: started.promise,
    succeed: () => outcome.resolve(name),
    fail: (message) => outcome.reject(new Error(message)),
  };
}

const start = (
  attempts: readonly Attempt[],
  clock: FakeClock = createFakeClock(),
  signal = new AbortController().signal,
): { winner: Promise<string>; discarded: string[] } => {
  const discarded: string[] = [];
  const winner = race(
    attempts.map(({ run }) => run),
    {
      clock,
      signal,
      discard: (result) => void discarded.push(result),
      worse: (a) => a,
    },
  );
  return { winner, discarded };
};

it('begins the next attempt after the delay, and takes the first that succeeds', async () => {
  const clock = createFakeClock();
  const [slow, quick] = [attempt('slow'), attempt('quick')];
  const { winner, discarded } = start([slow, quick], clock);
  const ending = await slow.started;
  await clock.whenSleeping(attemptDelayMs);
  clock.advance(attemptDelayMs);
  await quick.started;
  quick.succeed();
  expect([await winner, ending.aborted]).toEqual(['quick', true]);
  slow.succeed();
  await slow.run(ending);
  expect([discarded, clock.sleeping()]).toEqual([['slow'], []]);
});

it('begins the next at once when one fails, and no other where the first succeeds', async () => {
  const [broken, good, unneeded] = [attempt('broken'), attempt('good'), attempt('unneeded')];
  const { winner } = start([broken, good, unneeded]);
  await broken.started;
  broken.fail('refused');
  await good.started;
  good.succeed();
  expect(await winner).toBe('good');
  await expect(Promise.race([unneeded.started, Promise.resolve('never')])).resolves.toBe('never');
});

it('fails with the more telling error when all fail, and when there is nothing to try', async () => {
  const [first, second] = [attempt('first'), attempt('second')];
  const { winner } = start([first, second]);
  first.fail('told');
  second.fail('silent');
  await expect(winner).rejects.toThrow('told');
  await expect(start([]).winner).rejects.toThrow('no address of a gateway is known');
});

it('gives up when it is told to', async () => {
  const stop = new AbortController();
  const waiting = attempt('waiting');
  const { winner, discarded } = start([waiting], createFakeClock(), stop.signal);
  const ending = await waiting.started;
  stop.abort();
  waiting.succeed();
  await expect(winner).rejects.toThrow('given up');
  expect([ending.aborted, discarded]).toEqual([true, ['waiting']]);
});

const v6 = (last: number) => ({ address: `2001:db8::${last}`, family: 6 });
const v4 = (last: number) => ({ address: `192.0.2.${last}`, family: 4 });

it.each([
  [
    'families in turn',
    [v6(1), v6(2), v4(1), v4(2)],
    ['2001:db8::1', '192.0.2.1', '2001:db8::2', '192.0.2.2'],
  ],
  ['the one that the system prefers first', [v4(1), v6(1)], ['192.0.2.1', '2001:db8::1']],
  ['all of one that has more', [v4(1), v6(1), v6(2)], ['192.0.2.1', '2001:db8::1', '2001:db8::2']],
  ['one alone', [v4(1), v4(2)], ['192.0.2.1', '192.0.2.2']],
  ['none', [], []],
] as const)('tries the addresses of a name: %s', async (_, found, expected) => {
  expect(await resolveHost('gateway.example.org', () => Promise.resolve(found))).toEqual(expected);
});

it('asks nobody for the address of a numeric host', async () => {
  const resolve = (): never => {
    throw new Error('asked');
  };
  expect([await resolveHost('192.0.2.1', resolve), await resolveHost('2001:db8::1', resolve)]).toEqual([
    ['192.0.2.1'],
    ['2001:db8::1'],
  ]);
});

const gateway = (zone: string, ...addresses: string[]) => ({ name: 'gateway.example.org', zone, addresses });
const [a1, a2, b, c] = [
  gateway('a', 'a1:1', 'a1:2'),
  gateway('a', 'a2:1'),
  gateway('b', 'b:1'),
  gateway('c', 'c:1'),
];
const at = (zone: string, address: string) => ({ name: 'gateway.example.org', zone, address });

it('tries the first address of each gateway before the second of any', () => {
  expect(targetsOf([a1, b]).map(({ address }) => address)).toEqual(['a1:1', 'b:1', 'a1:2']);
});

it('looks for a standby in other zones, and in its own only where there is no other', () => {
  expect(substitutesFor(at('a', 'a1:2'), [a1, a2, b, c])).toEqual([b, c]);
  expect(substitutesFor(at('a', 'a1:1'), [a1, a2])).toEqual([a2]);
  expect(substitutesFor(at('a', 'a1:1'), [a1])).toEqual([]);
});

it('tries the nearest gateway first, then those it knows nothing of, and those that failed last', () => {
  const ranking = createGatewayRanking(() => 0.5);
  ranking.noteRoundTrip(at('b', 'b:1'), 12);
  ranking.noteFailure(at('a', 'a1:1'));
  ranking.noteRoundTrip(at('c', 'c:1'), 40);
  expect(ranking.order([a1, a2, c, b])).toEqual([b, c, a2, a1]);
  ranking.noteRoundTrip(at('a', 'a1:1'), 1);
  expect(ranking.order([a1, a2, c, b])[0]).toBe(a1);
});

it('spreads laptops that know nothing, and those that two gateways are equally near to, over the gateways', () => {
  const first = Array.from({ length: 1000 }, () => {
    const ranking = createGatewayRanking(Math.random);
    if (Math.random() < 0.5) {
      ranking.noteRoundTrip(at('b', 'b:1'), 11);
      ranking.noteRoundTrip(at('c', 'c:1'), 12);
    }
    return ranking.order([b, c])[0];
  });
  expect(first.filter((each) => each === b).length).toBeGreaterThan(350);
  expect(first.filter((each) => each === c).length).toBeGreaterThan(350);
});
