import { expect, it, vi } from 'vitest';
import { keepFinding } from '../../../agent/posture/keep-finding.ts';
import { yes } from '../../../agent/posture/posture-check.ts';
import type { PlatformCheck } from '../../../agent/posture/posture-check.ts';
import { createFakeClock } from '../lab/fake-clock.ts';
import { useSystem } from './lab.ts';

const system = useSystem();
const checkOf = (more: Partial<PlatformCheck>): PlatformCheck => ({
  how: '',
  keepSeconds: 60,
  check: () => Promise.resolve(yes('ran')),
  ...more,
});

it('lets a finding stand until a glance sees a change, its time is over, or somebody wants it fresh', async () => {
  const clock = createFakeClock();
  let seen = 'a';
  const check = vi.fn(() => Promise.resolve(yes('ran')));
  const kept = keepFinding(checkOf({ check, glance: () => Promise.resolve(seen) }), system.context, clock);
  const runsAfter = async (fresh = false): Promise<number> => {
    await kept.current(fresh);
    return check.mock.calls.length;
  };
  expect([await runsAfter(), await runsAfter()]).toEqual([1, 1]);
  seen = 'b';
  expect([await runsAfter(), await runsAfter()]).toEqual([2, 2]);
  clock.advance(61_000);
  expect([await runsAfter(), await runsAfter()]).toEqual([3, 3]);
  expect(await runsAfter(true)).toBe(4);
});

it('runs again when something changed while the check ran', async () => {
  let seen = 0;
  const check = vi.fn(() => {
    seen += check.mock.calls.length === 1 ? 1 : 0;
    return Promise.resolve(yes('ran'));
  });
  const kept = keepFinding(
    checkOf({ check, glance: () => Promise.resolve(String(seen)) }),
    system.context,
    createFakeClock(),
  );
  await kept.current(false);
  await kept.current(false);
  await kept.current(false);
  expect(check).toHaveBeenCalledTimes(2);
});

it('watches the files that a finding names', async () => {
  system.lay({ '/proc/9/exe': 'x' });
  const check = vi.fn(() => Promise.resolve({ ...yes('ran'), watch: ['/proc/9/exe'] }));
  const kept = keepFinding(checkOf({ check }), system.context, createFakeClock());
  await kept.current(false);
  await kept.current(false);
  expect(check).toHaveBeenCalledTimes(1);
  system.remove('/proc/9/exe');
  await kept.current(false);
  expect(check).toHaveBeenCalledTimes(2);
});

it('says unknown, and why, of a check that throws', async () => {
  const check = (): Promise<never> => Promise.reject(new Error('broken'));
  const kept = keepFinding(checkOf({ check }), system.context, createFakeClock());
  expect(await kept.current(false)).toEqual({ value: 'unknown', reason: 'broken' });
});

it('says unknown of a check that hangs, and does not start a second one', async () => {
  vi.useFakeTimers();
  try {
    const check = vi.fn(() => new Promise<never>(() => {}));
    const kept = keepFinding(checkOf({ check }), system.context, createFakeClock());
    for (let time = 0; time < 2; time += 1) {
      const finding = kept.current(true);
      await vi.advanceTimersByTimeAsync(6000);
      expect(await finding).toEqual({ value: 'unknown', reason: 'the check took too long' });
    }
    expect(check).toHaveBeenCalledTimes(1);
  } finally {
    vi.useRealTimers();
  }
});

it('goes on without a check that may take long, then has what it found; and not for ever', async () => {
  vi.useFakeTimers();
  try {
    const clock = createFakeClock();
    const done = Promise.withResolvers<void>();
    const check = (): Promise<ReturnType<typeof yes>> => done.promise.then(() => yes('ran'));
    const kept = keepFinding(checkOf({ check, limitMs: 60_000 }), system.context, clock);
    const ask = async () => {
      const finding = kept.current(false);
      await vi.advanceTimersByTimeAsync(1500);
      return finding;
    };
    expect(await ask()).toEqual({ value: 'unknown', reason: 'still being looked at' });
    clock.advance(61_000);
    expect(await ask()).toEqual({ value: 'unknown', reason: 'the check took too long' });
    done.resolve();
    expect(await ask()).toEqual(yes('ran'));
  } finally {
    vi.useRealTimers();
  }
});
