import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { redirectUri, startSignInLab } from '../sign-in-lab.ts';
import type { SignInLab } from '../sign-in-lab.ts';

let lab: SignInLab;
const path = '/v1/sign-in/administrator';
beforeAll(async () => {
  lab = await startSignInLab();
  await lab.control.ask('POST', '/v1/apply', {
    body: {
      resources: [
        {
          kind: 'Administrator',
          name: 'finance-desk',
          role: 'helpdesk',
          members: { claim: 'groups', value: 'finance' },
        },
        { kind: 'Administrator', name: 'alice-audits', role: 'auditor', members: ['alice@example.org'] },
      ],
    },
  });
});
afterAll(() => lab.close());
beforeEach(() => {
  lab.provider.person = { account: 'alice' };
});

const post = (where: string, body: unknown, key: string | null = null) =>
  lab.control.ask('POST', where, { key, body });

async function signIn(browser = lab.browser()) {
  const { body } = await post(path, { flow: 'code', redirectUri });
  const parameters = (await lab.visit(String(body.authorizationUrl), browser)).slice(1);
  return {
    begun: body,
    parameters,
    done: await post(`${path}/complete`, { transaction: body.transaction, parameters }),
  };
}
const devices = (token: string) => lab.control.ask('GET', '/v1/devices', { key: token });
const over = { status: 401, body: { code: 'administrator-token-invalid' } };

it('gives a person the roles of the resources that name them or their groups, and writes who did it', async () => {
  const { done } = await signIn();
  expect(done).toMatchObject({
    status: 200,
    body: { user: 'alice@example.org', roles: ['helpdesk', 'auditor'] },
  });
  const token = String(done.body.token);
  expect(await devices(token)).toMatchObject({ status: 200 });
  const laptop = await lab.control.enroll('bob@example.org');
  const changed = await post(
    `/v1/devices/${laptop.device}/state`,
    { state: 'quarantined', reason: 'odd' },
    token,
  );
  expect(changed).toMatchObject({ status: 200, body: { device: { changedBy: 'user:alice@example.org' } } });
  // Neither of the two roles may.
  expect(await post('/v1/apply', { resources: [] }, token)).toMatchObject({
    status: 403,
    body: { code: 'role-missing' },
  });
});

it('gives nothing to whoever administers nothing, and no answer twice', async () => {
  lab.provider.person = { account: 'bob' };
  expect((await signIn()).done).toMatchObject({ status: 403, body: { code: 'role-missing' } });
  lab.provider.person = { account: 'alice' };
  const { begun, parameters } = await signIn();
  expect(await post(`${path}/complete`, { transaction: begun.transaction, parameters })).toMatchObject({
    status: 403,
    body: { code: 'sign-in-used' },
  });
});

it('takes no token of something else, and is taken for nothing else', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  const kept = (await lab.signIn(laptop)).body.signIn;
  const session = (await lab.token(laptop, kept)).body.token;
  // CVE-2024-47616: a token for one service opened the administration.
  expect(await devices(String(kept))).toMatchObject(over);
  expect(await devices(String(session))).toMatchObject({ status: 401, body: { code: 'api-key-invalid' } });
  const token = String((await signIn()).done.body.token);
  expect(await lab.token(laptop, token)).toMatchObject({ status: 401, body: { code: 'sign-in-required' } });
  expect(await devices(token.replace(/.{8}$/, 'AAAAAAAA'))).toMatchObject(over);
  // What one began, the other does not end.
  const { body } = await post(path, { flow: 'code', redirectUri });
  const parameters = (await lab.visit(String(body.authorizationUrl))).slice(1);
  expect(await lab.complete(laptop, body.transaction, parameters)).toMatchObject({
    body: { code: 'sign-in-unknown' },
  });
});

it('ends with the role, with the sign-in, with the session at the provider, and after an hour', async () => {
  const token = String((await signIn()).done.body.token);
  expect(await lab.control.ask('POST', '/v1/sign-out', { key: token })).toMatchObject({
    body: { ended: true },
  });
  expect(await devices(token)).toMatchObject(over);
  // A machine's key is nobody who signed in.
  expect(await lab.control.ask('POST', '/v1/sign-out')).toMatchObject({ body: { ended: false } });

  lab.provider.reconfigure({
    backchannelLogoutUri: `https://127.0.0.1:${lab.control.port}/v1/sign-in/backchannel-logout`,
    trustPem: lab.control.organization.rootPem,
  });
  const browser = lab.browser();
  const next = String((await signIn(browser)).done.body.token);
  expect(await devices(next)).toMatchObject({ status: 200 });
  await lab.provider.endSession(browser);
  expect(await devices(next)).toMatchObject(over);

  const last = String((await signIn()).done.body.token);
  for (const name of ['finance-desk', 'alice-audits'])
    await lab.control.ask('DELETE', `/v1/resources/administrators/${name}`);
  expect(await devices(last)).toMatchObject({ status: 403, body: { code: 'role-missing' } });
  // Who has no role any more, and gets one again within the hour, has signed out all the same.
  expect(await lab.control.ask('POST', '/v1/sign-out', { key: last })).toMatchObject({
    status: 200,
    body: { ended: true },
  });
  expect(await devices(last)).toMatchObject(over);
  lab.control.pass(3_600_000);
  expect(await devices(last)).toMatchObject(over);
});

describe('a code to enter on another machine', () => {
  const off = { status: 403, body: { code: 'administrator-device-code-off' } };

  it('is not given unless the settings say so: whoever sends it to an administrator would be that person', async () => {
    expect(await post(path, { flow: 'device-code' })).toMatchObject(off);
    expect(await post(path, { flow: 'code', redirectUri })).toMatchObject({ status: 200 });
  });

  it('is given where they do, and completes nothing that something else began', async () => {
    const allowing = await startSignInLab({ administratorDeviceCode: true });
    try {
      const ask = (where: string, body: unknown) => allowing.control.ask('POST', where, { key: null, body });
      const begun = await ask(path, { flow: 'device-code' });
      expect(begun).toMatchObject({ status: 200, body: { userCode: expect.any(String) } });
      const { transaction } = begun.body as { transaction: string };
      const unknown = { body: { code: 'sign-in-unknown' } };
      expect(await ask(`${path}/complete`, { transaction, parameters: 'code=x' })).toMatchObject(unknown);
      expect(await ask(`${path}/complete`, { transaction })).toMatchObject({ body: { pending: true } });
      const byBrowser = await ask(path, { flow: 'code', redirectUri });
      expect(await ask(`${path}/complete`, { transaction: byBrowser.body.transaction })).toMatchObject(
        unknown,
      );
      const laptop = await allowing.control.enroll('alice@example.org');
      expect(await allowing.complete(laptop, transaction)).toMatchObject(unknown);
    } finally {
      await allowing.close();
    }
  });

  it('is refused at its end too, whenever it was begun', async () => {
    const sealed = await post(path, { flow: 'code', redirectUri });
    expect(await post(`${path}/complete`, { transaction: sealed.body.transaction })).toMatchObject(off);
  });
});
