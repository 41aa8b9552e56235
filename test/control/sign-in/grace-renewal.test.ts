import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createRequest } from '../../../certs/request.ts';
import type { Identity } from '../control-lab.ts';
import { startSignInLab } from '../sign-in-lab.ts';
import type { SignInLab } from '../sign-in-lab.ts';

vi.setConfig({ testTimeout: 60_000 });
const day = 86_400_000;
const posture = {
  ageSeconds: 3,
  os: 'linux',
  osVersion: '13',
  agentVersion: '0.1.0',
  checks: {
    diskEncrypted: true,
    firewallEnabled: true,
    screenLockEnabled: true,
    osUpToDate: true,
    secureBoot: true,
    protectionRunning: true,
  },
};
let lab: SignInLab;
beforeAll(async () => {
  lab = await startSignInLab();
});
afterAll(() => lab.close());

const stateOf = (device: string) => lab.control.store.state.devices.get(device as never);
const change = (device: string, state: string) =>
  lab.control.ask('POST', `/v1/devices/${device}/state`, { body: { state, reason: 'test' } });
const report = (client: Identity, signIn: unknown) =>
  lab.control.ask('POST', '/v1/device/token', { key: null, client, body: { posture, signIn } });

/** A laptop whose certificate expired three days ago and was renewed since, and a sign-in from before that. */
async function backFromHoliday() {
  lab.control.pass(-10 * day);
  const laptop = await lab.control.enroll('alice@example.org').finally(() => lab.control.pass(10 * day));
  await change(laptop.device, 'active');
  const csr = await createRequest(laptop.keyPem);
  const renew = { key: null, client: laptop, body: { csr } };
  const answer = await lab.control.ask('POST', '/v1/device/renew', renew);
  expect(answer).toMatchObject({ status: 200, body: { late: true } });
  return { device: laptop.device, keyPem: laptop.keyPem, chainPem: String(answer.body.certificate) };
}

it('ends the quarantine of a late renewal with a new sign-in and a posture, by itself', async () => {
  const { device, ...laptop } = await backFromHoliday();
  expect(stateOf(device)).toMatchObject({ state: 'quarantined', awaits: 'sign-in' });
  expect(await report(laptop, undefined)).toMatchObject({ status: 401, body: { code: 'sign-in-required' } });
  const signedIn = await lab.signIn(laptop);
  expect(signedIn.status).toBe(200);
  // Signing in alone does not do, nor does a token without a posture.
  expect((await lab.token(laptop, signedIn.body.signIn)).status).toBe(200);
  expect(stateOf(device)).toMatchObject({ state: 'quarantined' });
  expect((await report(laptop, signedIn.body.signIn)).status).toBe(200);
  expect(stateOf(device)).toMatchObject({ state: 'active', reason: 'sign-in-and-posture' });
});

it('takes no sign-in of before the renewal for it, and asks for a new one', async () => {
  const { device, ...laptop } = await backFromHoliday();
  const before = await lab.signIn(laptop);
  // As if it had renewed five minutes after that: nobody waits for them here.
  lab.control.store.state.devices.set(device as never, {
    ...(stateOf(device) as NonNullable<ReturnType<typeof stateOf>>),
    changedAt: Math.floor(Date.now() / 1000) + 300,
  });
  expect(await report(laptop, before.body.signIn)).toMatchObject({
    status: 401,
    body: { code: 'sign-in-required' },
  });
  expect(stateOf(device)).toMatchObject({ state: 'quarantined' });
});

it('asks the provider for a login, whatever session it has, and of other laptops only what they ask', async () => {
  const { device: _, ...laptop } = await backFromHoliday();
  const back = await lab.begin(laptop);
  expect(new URL(String(back.body.authorizationUrl)).searchParams.get('prompt')).toBe('login');
  const other = await lab.control.enroll('alice@example.org');
  const plain = await lab.begin(other);
  expect(new URL(String(plain.body.authorizationUrl)).searchParams.get('prompt')).toBeNull();
});

it('leaves to a person what a person put into quarantine', async () => {
  const { device, ...laptop } = await backFromHoliday();
  await change(device, 'quarantined');
  const signedIn = await lab.signIn(laptop);
  expect((await report(laptop, signedIn.body.signIn)).status).toBe(200);
  expect(stateOf(device)).toMatchObject({ state: 'quarantined', reason: 'test' });
});
