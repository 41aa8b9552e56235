import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { LedgerUnavailable } from '../../../src/ledger/ledger.ts';
import type { Identity } from '../control-lab.ts';
import { startSignInLab } from '../sign-in-lab.ts';
import type { SignInLab } from '../sign-in-lab.ts';

let lab: SignInLab;
let laptop: Identity;
let other: Identity;
const path = '/v1/sign-in/backchannel-logout';
const event = 'http://schemas.openid.net/event/backchannel-logout';

beforeAll(async () => {
  lab = await startSignInLab();
  lab.provider.reconfigure({
    backchannelLogoutUri: `https://127.0.0.1:${lab.control.port}${path}`,
    trustPem: lab.control.organization.rootPem,
  });
  [laptop, other] = [
    await lab.control.enroll('alice@example.org'),
    await lab.control.enroll('alice@example.org'),
  ];
});
afterAll(() => lab.close());

const send = (token: string, form?: string) =>
  lab.control.ask('POST', path, {
    key: null,
    raw: form ?? new URLSearchParams({ logout_token: token }).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
const nowSeconds = () => Math.floor(Date.now() / 1000);
const logoutToken = (claims: Record<string, unknown> = {}, header?: { typ?: string; alg?: string }) =>
  lab.provider.sign(
    {
      iss: lab.provider.issuer,
      aud: 'postern',
      iat: nowSeconds(),
      exp: nowSeconds() + 120,
      jti: randomBytes(9).toString('base64url'),
      events: { [event]: {} },
      sub: 'alice',
      sid: 'nobody’s session',
      ...claims,
    },
    { typ: 'logout+jwt', ...header },
  );
const ended = { status: 401, body: { code: 'sign-in-ended' } };
const passes = { status: 200 };

it('ends the sign-in of a browser whose session ends at the provider, and no other, whoever’s laptop it was on', async () => {
  const [browser, elsewhere] = [lab.browser(), lab.browser()];
  const { signIn: mine } = (await lab.signIn(laptop, browser)).body;
  const { signIn: same } = (await lab.signIn(other, browser)).body;
  const { signIn: another } = (await lab.signIn(other, elsewhere)).body;
  await lab.provider.endSession(browser);
  expect(await lab.token(laptop, mine)).toMatchObject(ended);
  expect(await lab.token(other, same)).toMatchObject(ended);
  expect(await lab.token(other, another)).toMatchObject(passes);
  // The same browser, at the same provider: a new session is a new one.
  expect(await lab.token(laptop, (await lab.signIn(laptop, browser)).body.signIn)).toMatchObject(passes);
});

it('is on the ledger, with who said so and without the name of the session', async () => {
  const entries = [...lab.control.store.state.endedSignIns];
  expect(entries).toEqual([
    [expect.stringMatching(/^session:[\w-]{22}$/), { user: 'alice', at: expect.any(Number) }],
  ]);
});

it('ends all that a user began until then, where a logout names no session', async () => {
  const { signIn: one } = (await lab.signIn(laptop)).body;
  const { signIn: two } = (await lab.signIn(other)).body;
  expect(await send(await logoutToken({ sid: undefined }))).toMatchObject({ status: 200, text: '{}' });
  expect(await lab.token(laptop, one)).toMatchObject(ended);
  expect(await lab.token(other, two)).toMatchObject(ended);
  lab.control.pass(2000);
  expect(await lab.token(laptop, (await lab.signIn(laptop)).body.signIn)).toMatchObject(passes);
});

it.each<[string, () => Promise<string>]>([
  ['for another client', () => logoutToken({ aud: 'another' })],
  ['of another issuer', () => logoutToken({ iss: 'https://evil.example' })],
  ['that is an ID token with a nonce', () => logoutToken({ nonce: 'x' })],
  ['without the event', () => logoutToken({ events: {} })],
  ['with nothing as the event', () => logoutToken({ events: { [event]: null } })],
  ['with the event as a word', () => logoutToken({ events: { [event]: 'yes' } })],
  ['without a jti', () => logoutToken({ jti: undefined })],
  ['without a time', () => logoutToken({ iat: undefined })],
  ['of an hour ago', () => logoutToken({ iat: nowSeconds() - 3600, exp: nowSeconds() + 3600 })],
  ['that has expired', () => logoutToken({ iat: nowSeconds() - 100, exp: nowSeconds() - 60 })],
  ['from the future', () => logoutToken({ iat: nowSeconds() + 3600, exp: nowSeconds() + 7200 })],
  ['that names nobody', () => logoutToken({ sub: undefined, sid: undefined })],
  ['that nobody signed', async () => (await logoutToken()).replace(/[^.]+$/, 'A'.repeat(342))],
  ['that is no token', async () => 'a.b.c'],
])('refuses a logout token %s, and signs nobody out', async (_what, make) => {
  const { signIn } = (await lab.signIn(laptop)).body;
  const { sequence } = lab.control.store.state.head;
  expect(await send(await make())).toMatchObject({ status: 400, body: { code: 'logout-token-invalid' } });
  expect(lab.control.store.state.head.sequence).toBe(sequence);
  expect(await lab.token(laptop, signIn)).toMatchObject(passes);
});

it('takes each logout token once, and a form that says one thing only', async () => {
  const token = await logoutToken();
  expect(await send(token)).toMatchObject({ status: 200 });
  expect(await send(token)).toMatchObject({ status: 400, body: { code: 'logout-token-used' } });
  const fresh = await logoutToken();
  const twice = `logout_token=${fresh}&logout_token=${token}`;
  expect(await send('', twice)).toMatchObject({ status: 400, body: { code: 'invalid-input' } });
  const asJson = await lab.control.ask('POST', path, { key: null, body: { logout_token: fresh } });
  expect(asJson).toMatchObject({ status: 400, body: { code: 'content-type-malformed' } });
  expect(await send(fresh)).toMatchObject({ status: 200 });
});

it('signs a user out by the same token later, where the ledger could not be written at first', async () => {
  const { signIn } = (await lab.signIn(laptop)).body;
  const token = await logoutToken({ sid: undefined });
  const append = vi
    .spyOn(lab.control.ledger, 'append')
    .mockRejectedValueOnce(new LedgerUnavailable('disk full'));
  expect(await send(token)).toMatchObject({ status: 503, body: { code: 'store-unavailable' } });
  append.mockRestore();
  expect(await lab.token(laptop, signIn)).toMatchObject(passes);
  expect(await send(token)).toMatchObject({ status: 200 });
  expect(await lab.token(laptop, signIn)).toMatchObject(ended);
  expect(await send(token)).toMatchObject({ status: 400, body: { code: 'logout-token-used' } });
});

it('says of the sign-in that ended only digests', () => {
  const text = JSON.stringify([...lab.control.store.state.endedSignIns.keys()]);
  expect(text).not.toContain('nobody’s session');
  expect(text).toContain(
    createHash('sha256')
      .update(JSON.stringify(['sid', lab.provider.issuer, 'nobody’s session']))
      .digest()
      .subarray(0, 16)
      .toString('base64url'),
  );
});
