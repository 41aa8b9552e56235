import { expect, it } from 'vitest';
import type { DeviceId } from '../../src/domain/ids.ts';
import { createHeldBytes } from '../../src/gateway/content/held-bytes.ts';
import { HeldTail } from '../../src/gateway/content/held-tail.ts';

const owner = 'd-1' as DeviceId;
const texts = (pieces: readonly Buffer[]): string[] => pieces.map(String);
const push = (tail: HeldTail, text: string): string[] => texts(tail.push(Buffer.from(text)));

it('holds a body that is no longer than the bound, and of a longer one the end', () => {
  const tail = new HeldTail(owner, createHeldBytes(400), 10);
  expect([push(tail, 'abcd'), push(tail, 'efgh'), push(tail, 'ij')]).toEqual([[], [], []]);
  expect([push(tail, 'k'), push(tail, 'lmnopqr')]).toEqual([['abcd'], ['efgh']]);
  expect(texts(tail.release())).toEqual(['ij', 'k', 'lmnopqr']);
  expect(tail.release()).toEqual([]);
});

it('holds less where there is no room, and the last piece in any case', () => {
  // A quarter is for one device.
  const room = createHeldBytes(20);
  const tail = new HeldTail(owner, room, 100);
  expect([push(tail, 'abc'), push(tail, 'def')]).toEqual([[], ['abc']]);
  expect(push(tail, 'longer than there is room')).toEqual(['def']);
  expect(push(tail, 'ghij')).toEqual([]);
  expect(push(tail, 'klm')).toEqual(['longer than there is room', 'ghij']);
  expect(room.take(owner, 3)).toBe(false);
  tail.release();
  // All of it is given back, and no more.
  expect([room.take(owner, 5), room.take(owner, 1)]).toEqual([true, false]);
});
