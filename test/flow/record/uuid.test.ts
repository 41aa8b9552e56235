import { expect, test } from 'vitest';
import { createUuidV7 } from '../../../src/flow/record/uuid.ts';
import { monday } from '../samples.ts';

test('ids of records are UUIDs of version 7 that bear their time and never repeat', () => {
  const ids = Array.from({ length: 100_000 }, (_, index) => createUuidV7(monday + Math.floor(index / 1000)));
  expect(new Set(ids).size).toBe(ids.length);
  const shape = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  expect(ids.filter((id) => !shape.test(id))).toEqual([]);
  expect(ids.map((id) => Number.parseInt(id.replaceAll('-', '').slice(0, 12), 16)).at(-1)).toBe(monday + 99);
});
