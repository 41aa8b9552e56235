import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSignInLab } from '../sign-in-lab.ts';
import type { SignInLab } from '../sign-in-lab.ts';

let lab: SignInLab;
beforeAll(async () => {
  lab = await startSignInLab();
});
afterAll(() => lab.close());

const begin = async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  const { status, body } = await lab.begin(laptop, { flow: 'device-code' });
  expect(status).toBe(200);
  return { laptop, begun: body };
};
/** What a person does on another machine: types the code, confirms it, signs in. */
const enterCode = async (uri: string, userCode: string): Promise<string> => {
  const browser = lab.browser();
  const confirm = await browser.submit(await browser.open(uri), { user_code: userCode });
  return (await browser.submit(confirm, { confirm: 'yes' })).text;
};

it('signs in by a code that is entered on another machine, and asks the provider at its interval only', async () => {
  lab.provider.person = { account: 'alice', amr: ['pwd', 'mfa'] };
  const { laptop, begun } = await begin();
  expect(begun).toMatchObject({
    userCode: expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/),
    verificationUri: `${lab.provider.issuer}/device`,
    intervalSeconds: 5,
  });
  const poll = () => lab.complete(laptop, begun.transaction);
  lab.provider.grants.length = 0;
  expect((await poll()).body).toEqual({ pending: true, intervalSeconds: 5 });
  expect((await poll()).body).toEqual({ pending: true, intervalSeconds: 5 });
  // The second question came too early and did not reach it.
  expect(lab.provider.grants).toEqual(['urn:ietf:params:oauth:grant-type:device_code']);
  expect(await enterCode(String(begun.verificationUri), String(begun.userCode))).toContain('Sign-in Success');
  lab.control.pass(6000);
  const done = await poll();
  expect(done).toMatchObject({ status: 200, body: { user: 'alice@example.org', mfa: true } });
  expect(done.body.at).toBeGreaterThan(0);
  expect(await lab.token(laptop, done.body.signIn)).toMatchObject({ status: 200 });
  lab.control.pass(6000);
  expect(await poll()).toMatchObject({ status: 403, body: { code: 'sign-in-used' } });
});

it('refuses when the person declines, and when another device asks', async () => {
  lab.provider.person = { account: 'alice' };
  const { laptop, begun } = await begin();
  const other = await lab.control.enroll('alice@example.org');
  expect(await lab.complete(other, begun.transaction)).toMatchObject({ body: { code: 'sign-in-unknown' } });
  const browser = lab.browser();
  const uri = String(begun.verificationUriComplete);
  const confirm = await browser.submit(await browser.open(uri));
  await browser.submit(confirm, { abort: 'yes' });
  lab.control.pass(6000);
  expect(await lab.complete(laptop, begun.transaction)).toMatchObject({ body: { code: 'sign-in-denied' } });
});

it('lets nobody but the enrolled user in this way either', async () => {
  lab.provider.person = { account: 'bob' };
  const { laptop, begun } = await begin();
  await enterCode(String(begun.verificationUri), String(begun.userCode));
  lab.control.pass(6000);
  expect(await lab.complete(laptop, begun.transaction)).toMatchObject({
    status: 403,
    body: { code: 'sign-in-wrong-user' },
  });
});
