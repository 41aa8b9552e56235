import { afterAll, expect, it } from 'vitest';
import { createDataLossScanner } from '../../src/gateway/data-loss/data-loss-scanner.ts';

const logged: string[] = [];
const log = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: (facts: object, message: string) => void logged.push(`${message} ${JSON.stringify(facts)}`),
};
const scanner = createDataLossScanner({ timeoutMs: 30_000, log });
afterAll(() => scanner.close());

const wanted = { kinds: ['card'], patterns: [{ name: 'own', pattern: 'A+', maxLength: 8 }] };
const bytes = (text: string): Buffer => Buffer.from(text);

it('keeps contents apart that come at the same time', async () => {
  const [one, other] = [scanner.open('text/plain', wanted), scanner.open('text/plain', wanted)];
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
  const content = scanner.open('text/plain', wanted);
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
  expect(await scanner.open('', broken).look(bytes('x'), true)).toMatchObject({ failure: 'unavailable' });
  expect(await scanner.open('', wanted).look(bytes('A'), true)).toMatchObject({
    answer: { counts: { own: 1 } },
  });
});

it('takes what comes too late for not looked at', async () => {
  const hasty = createDataLossScanner({ timeoutMs: 1, log });
  const said = await hasty.open('', wanted).look(Buffer.alloc(40_000_000, 'A '), true);
  expect(said).toMatchObject({ failure: expect.stringMatching(/^(timeout|unavailable)$/) });
  await hasty.close();
});
