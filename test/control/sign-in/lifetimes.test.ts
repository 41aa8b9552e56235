import { afterEach, beforeEach, expect, it } from 'vitest';
import { startSignInLab } from '../sign-in-lab.ts';
import type { SignInLab } from '../sign-in-lab.ts';

// Each moves the clock, and certificates are judged by the real one: none enrolls after another's move.
let lab: SignInLab;
beforeEach(async () => {
  lab = await startSignInLab();
});
afterEach(() => lab.close());

it('shows a kept sign-in to no other device, and to nobody once it is over or bent', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  const other = await lab.control.enroll('alice@example.org');
  const { signIn } = (await lab.signIn(laptop)).body;
  expect(await lab.token(laptop, signIn)).toMatchObject({ status: 200 });
  const required = { status: 401, body: { code: 'sign-in-required' } };
  expect(await lab.token(other, signIn)).toMatchObject(required);
  expect(await lab.token(laptop, String(signIn).replace(/.{8}$/, 'AAAAAAAA'))).toMatchObject(required);
  lab.control.pass(43_200_000 - 60_000);
  // The last token of a sign-in does not outlive it.
  const last = await lab.token(laptop, signIn);
  expect(last.body.expiresInSeconds).toBeLessThanOrEqual(60);
  expect(last.body.expiresInSeconds).toBeGreaterThan(0);
  lab.control.pass(61_000);
  expect(await lab.token(laptop, signIn)).toMatchObject(required);
});

it('refuses a sign-in that took longer than ten minutes, in the browser or by a code', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  const { body } = await lab.begin(laptop);
  const { body: byCode } = await lab.begin(laptop, { flow: 'device-code' });
  const answer = await lab.visit(String(body.authorizationUrl));
  lab.control.pass(601_000);
  const expired = { status: 403, body: { code: 'sign-in-expired' } };
  expect(await lab.complete(laptop, body.transaction, answer)).toMatchObject(expired);
  expect(await lab.complete(laptop, byCode.transaction)).toMatchObject(expired);
});

it('refuses to begin while the provider is away, says so, lets who is signed in go on, and mends by itself', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  const { signIn } = (await lab.signIn(laptop)).body;
  // What discovery said holds an hour, and without the provider longer.
  lab.control.pass(3_700_000);
  const { body: begun } = await lab.begin(laptop);
  const answer = await lab.visit(String(begun.authorizationUrl));
  await lab.provider.close();
  const away = { status: 503, body: { code: 'identity-provider-unavailable' } };
  expect(await lab.complete(laptop, begun.transaction, answer)).toMatchObject(away);
  expect(await lab.begin(laptop, { flow: 'device-code' })).toMatchObject(away);
  expect(await lab.token(laptop, signIn)).toMatchObject({ status: 200 });
  await lab.provider.open();
  expect(await lab.signIn(laptop)).toMatchObject({ status: 200 });
});
