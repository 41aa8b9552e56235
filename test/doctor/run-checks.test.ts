import { expect, it } from 'vitest';
import { checks } from '../../src/doctor/checks.ts';
import type { DoctorFacts } from '../../src/doctor/facts.ts';
import { runChecks } from '../../src/doctor/run-checks.ts';

const facts = {} as DoctorFacts;

it('lets one check that hangs or breaks stop no other', async () => {
  const hangs = { name: 'hangs', limitMs: 20, run: () => new Promise<never>(() => undefined) };
  const breaks = { name: 'breaks', limitMs: 1000, run: () => Promise.reject(new Error('EACCES: keys')) };
  const works = {
    name: 'works',
    limitMs: 1000,
    run: () => Promise.resolve([{ level: 'ok', what: 'well' } as const]),
  };
  expect(await runChecks([hangs, breaks, works], facts)).toEqual([
    { check: 'hangs', level: 'unknown', what: 'did not come to an end in 0.02 s' },
    { check: 'breaks', level: 'unknown', what: 'could not be looked at: EACCES: keys' },
    { check: 'works', level: 'ok', what: 'well' },
  ]);
});

it('has each check once, with a limit', () => {
  expect(new Set(checks.map(({ name }) => name)).size).toBe(checks.length);
  for (const { limitMs } of checks) expect(limitMs).toBeLessThanOrEqual(45_000);
});
