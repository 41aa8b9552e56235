import { afterEach, beforeEach, expect, it } from 'vitest';
import { startControlLab } from '../control-lab.ts';
import type { Answer, ControlLab } from '../control-lab.ts';

let lab: ControlLab;
beforeEach(async () => {
  lab = await startControlLab({ rateLimits: { perAddress: 20, perAdministrator: 8 } });
  // Just after a minute began, since they count by the minute.
  lab.pass(60_000 - (Date.now() % 60_000));
});
afterEach(() => lab.close());

const devices = (key: string | null): Promise<Answer> => lab.ask('GET', '/v1/devices', { key });
const limited = {
  status: 429,
  headers: { 'content-type': 'application/problem+json' },
  body: { code: 'rate-limited' },
};

it('limits one administrator and lets the next one on', async () => {
  const other = await lab.makeKey({ role: 'soc' });
  for (let n = 0; n < 7; n += 1) expect((await devices(lab.apiKey)).status).toBe(200);
  const refused = await devices(lab.apiKey);
  expect(refused).toMatchObject(limited);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect(Number(refused.headers['retry-after'])).toBeLessThanOrEqual(60);
  expect((await devices(other)).status).toBe(200);
});

it('limits an address before it looks at a key, and leaves laptops alone', async () => {
  const laptop = await lab.enroll();
  const guess = `pak1.${'A'.repeat(16)}.${'A'.repeat(43)}`;
  let refused = 0;
  for (let n = 0; n < 30; n += 1) {
    const answer = await devices(guess);
    if (answer.status === 429) refused += 1;
    else expect(answer).toMatchObject({ status: 401 });
  }
  expect(refused).toBe(11);
  // The right key is not told from a wrong one either.
  expect(await devices(lab.apiKey)).toMatchObject(limited);
  expect(await lab.ask('POST', '/v1/device/token', { key: null, client: laptop, body: {} })).toMatchObject({
    status: 200,
  });
});
