import { expect, it } from 'vitest';
import { createLedgerHealth } from '../../../src/control/store/ledger-health.ts';
import type { LedgerHealth } from '../../../src/control/store/ledger-health.ts';

let now = 0;
const health = (confirms: boolean): LedgerHealth => {
  now = 1_000_000;
  return createLedgerHealth(() => now, { confirms });
};

it('counts a store in Redis as away from the first trouble until it shows itself', () => {
  const looked = health(true);
  expect([looked.isAway(), looked.troubles()]).toEqual([false, []]);
  now += 10;
  looked.problem('ledger-unavailable');
  expect([looked.isAway(), looked.troubles()]).toEqual([true, ['ledger']]);
  now += 3_600_000;
  expect(looked.isAway()).toBe(true);
  looked.inStep();
  expect([looked.isAway(), looked.troubles()]).toEqual([false, []]);
});

it('counts a store in Redis as away when it says nothing', () => {
  const looked = health(true);
  now += 10_000;
  expect(looked.isAway()).toBe(false);
  now += 1;
  expect(looked.troubles()).toEqual(['ledger']);
});

it('says that a store which cannot be followed is corrupt, until it can be', () => {
  const looked = health(true);
  now += 1;
  looked.problem('ledger-not-followed');
  expect([looked.isAway(), looked.troubles()]).toEqual([true, ['ledger corrupt', 'ledger']]);
  looked.inStep();
  expect(looked.troubles()).toEqual([]);
});

it('never forgets that the state stands still, and counts recoveries', () => {
  const looked = health(true);
  looked.problem('ledger-rewound');
  looked.problem('ledger-forked');
  expect([looked.recoveries, looked.troubles()]).toEqual([2, ['ledger rewound']]);
  now += 3_600_000;
  looked.inStep();
  expect(looked.troubles()).toEqual([]);
  looked.problem('ledger-corrupt');
  looked.inStep();
  expect([looked.isAway(), looked.troubles()]).toEqual([true, ['ledger corrupt', 'ledger']]);
});

it('leaves the embedded ledger, which is never elsewhere, to its own troubles', () => {
  const looked = health(false);
  now += 3_600_000;
  expect([looked.isAway(), looked.troubles()]).toEqual([false, []]);
  looked.problem('ledger-unavailable');
  expect([looked.isAway(), looked.troubles()]).toEqual([false, ['ledger']]);
  now += 5000;
  expect(looked.troubles()).toEqual([]);
});
