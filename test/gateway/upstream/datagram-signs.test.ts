import { expect, it } from 'vitest';
import { createDatagramSigns } from '../../../src/gateway/upstream/datagram-signs.ts';
import { parseUpstream } from '../../../src/routing/upstream.ts';

const clock = { now: 1_000_000 };
const place = 'udp://10.0.0.2:53';
const start = () => ({ signs: createDatagramSigns(() => clock.now), upstream: parseUpstream(place) });

it('keeps the last sign of an upstream for five minutes', () => {
  const { signs, upstream } = start();
  expect(signs.last(upstream)).toBeUndefined();
  const note = signs.noteFor(upstream);
  note('answered');
  clock.now += 1900;
  expect(signs.last(upstream)).toEqual({ last: 'answered', secondsAgo: 1 });
  note('unreachable');
  clock.now += 300_000;
  expect(signs.last(upstream)).toEqual({ last: 'unreachable', secondsAgo: 300 });
  clock.now += 1;
  expect(signs.last(upstream)).toBeUndefined();
});

it('takes the silence of one flow for a sign, unless another was answered while it lasted', () => {
  const { signs, upstream } = start();
  const quiet = signs.noteFor(upstream);
  clock.now += 1000;
  signs.noteFor(upstream)('answered');
  quiet('silent');
  expect(signs.last(upstream)).toEqual({ last: 'answered', secondsAgo: 0 });
  clock.now += 1000;
  signs.noteFor(upstream)('silent');
  expect(signs.last(upstream)).toEqual({ last: 'silent', secondsAgo: 0 });
});

it('knows of one upstream nothing by another, though they look alike, and nothing of the future', () => {
  const { signs, upstream } = start();
  signs.noteFor(upstream)('answered');
  expect(signs.last(parseUpstream(place))).toBeUndefined();
  clock.now -= 5000;
  expect(signs.last(upstream)).toEqual({ last: 'answered', secondsAgo: 0 });
});
