import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createDecisionTable, createEntryBudget, dropEntries } from '../../src/policy/decision-table.ts';

test('keeps apart any two keys that differ in any part, in kind or in where one part ends', () => {
  const part = fc.oneof(
    fc.constantFrom('', 'a', 'ab', 'b', '1', 'true', 'undefined', '\u0000', ',', '","', '|'),
    fc.string({ maxLength: 3 }),
    fc.constantFrom(1, 0, 2, true, false, undefined),
  );
  const keys = fc.uniqueArray(fc.tuple(part, part, part), {
    maxLength: 60,
    comparator: (a, b) => a.every((each, at) => Object.is(each, b[at])),
  });
  fc.assert(
    fc.property(keys, (all) => {
      const table = createDecisionTable<number>(3, createEntryBudget(1000));
      for (const [index, key] of all.entries()) {
        expect(table.get(key)).toBeUndefined();
        table.set(key, index);
      }
      for (const [index, key] of all.entries()) expect(table.get([...key])).toBe(index);
    }),
  );
});

test('tells objects apart by which they are, not by what they look like', () => {
  const table = createDecisionTable<string>(1, createEntryBudget(10));
  const [one, other] = [{ names: [] }, { names: [] }];
  table.set([one], 'one');
  expect(table.get([one])).toBe('one');
  expect(table.get([other])).toBeUndefined();
});

test('refuses a key of another length, which could be the beginning of a longer one', () => {
  const table = createDecisionTable<string>(2, createEntryBudget(10));
  expect(() => table.get(['a'])).toThrow(TypeError);
  expect(() => table.set(['a', 'b', 'c'], 'x')).toThrow(TypeError);
});

test('empties all tables of a budget at its bound, and goes on', () => {
  const budget = createEntryBudget(3);
  const [first, second] = [createDecisionTable<number>(1, budget), createDecisionTable<number>(1, budget)];
  first.set(['a'], 1);
  first.set(['b'], 2);
  second.set(['a'], 3);
  expect([first.get(['a']), first.get(['b']), second.get(['a'])]).toEqual([1, 2, 3]);
  second.set(['b'], 4);
  expect([first.get(['a']), first.get(['b']), second.get(['a']), second.get(['b'])]).toEqual([
    undefined,
    undefined,
    undefined,
    4,
  ]);
  dropEntries(budget);
  expect(second.get(['b'])).toBeUndefined();
});
