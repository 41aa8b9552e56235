import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterAll, expect, it } from 'vitest';
import type { DeviceId } from '../../src/domain/ids.ts';
import { createDataLossScanner } from '../../src/gateway/data-loss/data-loss-scanner.ts';
import { createTurns } from '../../src/gateway/turns.ts';

const logged: string[] = [];
const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (facts: object, message: string) => void logged.push(`${message} ${JSON.stringify(facts)}`),
};
const scanner = createDataLossScanner({ timeoutMs: 30_000, log });
afterAll(() => scanner.close());

const laptop = 'd-1' as DeviceId;
const wanted = { kinds: ['card'], patterns: [{ name: 'own', pattern: 'A+', maxLength: 8 }] };
const bytes = (text: string): Buffer => Buffer.from(text);

it('keeps contents apart that come at the same time', async () => {
  const [one, other] = [
    scanner.open(laptop, 'text/plain', wanted),
    scanner.open(laptop, 'text/plain', wanted),
  ];
  await one.look(bytes('41111111'), false);
  await other.look(bytes('5555555555554444 '), false);
  expect(await one.look(bytes('11111111'), true)).toEqual({
    answer: { counts: { card: 1 }, isText: 'all' },
  });
  expect(await other.look(bytes('11111111 A AA'), true)).toEqual({
    answer: { counts: { card: 1, own: 2 }, isText: 'all' },
  });
});

it('does not go on with a content whose beginning it does not have, and says so without what is in it', async () => {
  const content = scanner.open(laptop, 'text/plain', wanted);
  await content.look(bytes('4111'), false);
  content.forget();
  const secret = '4111111111111111';
  expect(await content.look(bytes(secret), true)).toEqual({
    failure: 'unavailable',
    detail: 'the beginning was lost',
  });
  expect(logged).toEqual(['content not looked at {"detail":"the beginning was lost"}']);
});

it('says which pattern it cannot use, and goes on with others', async () => {
  const broken = { kinds: [], patterns: [{ name: 'own', pattern: '(', maxLength: 8 }] };
  expect(await scanner.open(laptop, '', broken).look(bytes('x'), true)).toMatchObject({
    failure: 'unavailable',
  });
  expect(await scanner.open(laptop, '', wanted).look(bytes('A'), true)).toMatchObject({
    answer: { counts: { own: 1 } },
  });
});

it('takes what comes too late for not looked at', async () => {
  const hasty = createDataLossScanner({ timeoutMs: 1, log });
  const said = await hasty.open(laptop, '', wanted).look(Buffer.alloc(40_000_000, 'A '), true);
  expect(said).toMatchObject({ failure: expect.stringMatching(/^(timeout|unavailable)$/) });
  await hasty.close();
});

it('lets laptops take turns, so that one that sends much does not keep others waiting', async () => {
  const turns = createTurns(2, 100);
  const order: string[] = [];
  const ends: (() => void)[] = [];
  const send = (owner: string): void =>
    void turns.run(owner as DeviceId, async () => {
      order.push(owner);
      await new Promise<void>((resolve) => ends.push(resolve));
    });
  for (let index = 0; index < 10; index += 1) send('much');
  send('one');
  send('other');
  expect(order).toEqual(['much', 'much']);
  while (ends.length > 0) {
    ends.shift()?.();
    await nextTurn();
  }
  expect(order.slice(0, 5)).toEqual(['much', 'much', 'much', 'one', 'other']);
  expect(order).toHaveLength(12);
});

it('takes no more than so many that wait', async () => {
  const turns = createTurns(1, 2);
  const ends: (() => void)[] = [];
  const send = () => turns.run(laptop, () => new Promise<void>((resolve) => ends.push(resolve)));
  const [first, second, third, fourth] = [send(), send(), send(), send()];
  expect(fourth).toBeUndefined();
  for (const done of [first, second, third]) {
    ends.shift()?.();
    await done;
  }
  expect(send()).toBeDefined();
});
