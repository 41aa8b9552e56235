import { decodeJwt } from 'jose';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { redirectUri, startSignInLab } from '../sign-in-lab.ts';
import type { SignInLab } from '../sign-in-lab.ts';

let lab: SignInLab;
beforeAll(async () => {
  lab = await startSignInLab();
});
afterAll(() => lab.close());
beforeEach(() => {
  lab.provider.person = { account: 'alice', amr: ['pwd'] };
  lab.provider.tamper = undefined;
});

interface Claims {
  readonly sub: string;
  readonly claims: Record<string, string[]>;
  readonly signIn?: { id: string; at: number; mfa: boolean };
}

it('gives a token to a device only once its user has signed in, with user, groups and time from the provider', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  expect(await lab.token(laptop)).toMatchObject({ status: 401, body: { code: 'sign-in-required' } });
  const signedIn = await lab.signIn(laptop);
  expect(signedIn).toMatchObject({ status: 200, body: { user: 'alice@example.org', mfa: false } });
  const answer = await lab.token(laptop, signedIn.body.signIn);
  expect(answer.status).toBe(200);
  const now = Math.floor(Date.now() / 1000);
  const { sub, claims, signIn } = decodeJwt<Claims>(String(answer.body.token));
  expect({ sub, claims }).toEqual({ sub: 'alice@example.org', claims: { groups: ['finance', 'staff'] } });
  expect(signIn?.mfa).toBe(false);
  expect(Math.abs((signIn?.at ?? 0) - now)).toBeLessThan(60);
});

it('asks by PKCE, state and nonce, and for the age of the proof, at an address of loopback', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  const { body } = await lab.begin(laptop, { flow: 'code', redirectUri, fresh: true, mfa: true });
  const asked = Object.fromEntries(new URL(String(body.authorizationUrl)).searchParams);
  expect(asked).toMatchObject({
    response_type: 'code',
    redirect_uri: redirectUri,
    code_challenge_method: 'S256',
    code_challenge: expect.stringMatching(/^[\w-]{43}$/),
    state: expect.stringMatching(/^[\w-]{43}$/),
    nonce: expect.stringMatching(/^[\w-]{43}$/),
    prompt: 'login',
    max_age: '0',
    acr_values: 'urn:lab:mfa',
  });
  expect(asked).not.toHaveProperty('code_verifier');
  for (const elsewhere of [
    'http://127.0.0.1.evil.example/sign-in',
    'http://127.0.0.1:80@evil.example/sign-in',
    'https://evil.example/sign-in',
    'http://localhost:4000/sign-in',
    'http://127.0.0.1:4000/other',
  ])
    expect(await lab.begin(laptop, { flow: 'code', redirectUri: elsewhere })).toMatchObject({ status: 400 });
});

it('knows more than one factor by amr or by acr, and by nothing else', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  lab.provider.person = { account: 'alice', amr: ['pwd', 'mfa'] };
  expect((await lab.signIn(laptop)).body).toMatchObject({ mfa: true });
  lab.provider.person = { account: 'alice', amr: ['pwd'], acr: 'urn:lab:mfa' };
  expect((await lab.signIn(laptop)).body).toMatchObject({ mfa: true });
  lab.provider.person = { account: 'alice', amr: ['otp'] };
  expect((await lab.signIn(laptop)).body).toMatchObject({ mfa: false });
});

it('refuses an answer with the state of another sign-in, and lets the right one still come', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  const { body: one } = await lab.begin(laptop);
  const { body: other } = await lab.begin(laptop);
  const answer = await lab.visit(String(one.authorizationUrl));
  const refused = { status: 403, body: { code: 'sign-in-state-mismatch' } };
  expect(await lab.complete(laptop, other.transaction, answer)).toMatchObject(refused);
  expect(await lab.complete(laptop, one.transaction, `${answer}&state=x`)).toMatchObject(refused);
  expect(await lab.complete(laptop, one.transaction, answer.replace(/state=[^&]*/, ''))).toMatchObject(
    refused,
  );
  expect(await lab.complete(laptop, one.transaction, answer)).toMatchObject({ status: 200 });
});

it('refuses an answer a second time, and a code of another sign-in', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  const { body } = await lab.begin(laptop);
  const answer = await lab.visit(String(body.authorizationUrl));
  expect(await lab.complete(laptop, body.transaction, answer)).toMatchObject({ status: 200 });
  expect(await lab.complete(laptop, body.transaction, answer)).toMatchObject({
    body: { code: 'sign-in-used' },
  });
  const { body: next } = await lab.begin(laptop);
  const own = new URLSearchParams(await lab.visit(String(next.authorizationUrl)));
  own.set('code', new URLSearchParams(answer).get('code') ?? '');
  expect(await lab.complete(laptop, next.transaction, own.toString())).toMatchObject({
    status: 403,
    body: { code: 'sign-in-code-invalid' },
  });
});

it('refuses what another device began and what nobody sealed', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  const other = await lab.control.enroll('alice@example.org');
  const { body } = await lab.begin(laptop);
  const answer = await lab.visit(String(body.authorizationUrl));
  const unknown = { status: 403, body: { code: 'sign-in-unknown' } };
  expect(await lab.complete(other, body.transaction, answer)).toMatchObject(unknown);
  const bent = String(body.transaction).replace(/.{8}$/, 'AAAAAAAA');
  expect(await lab.complete(laptop, bent, answer)).toMatchObject(unknown);
  const { body: kept } = await lab.signIn(laptop);
  expect(await lab.complete(laptop, kept.signIn, answer)).toMatchObject(unknown);
});

it('refuses whoever declines at the provider', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  lab.provider.person = { error: 'access_denied' };
  expect(await lab.signIn(laptop)).toMatchObject({ status: 403, body: { code: 'sign-in-denied' } });
});

it('refuses a user who did not enroll the laptop, and one whose address nobody verified', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  lab.provider.person = { account: 'bob' };
  expect(await lab.signIn(laptop)).toMatchObject({ status: 403, body: { code: 'sign-in-wrong-user' } });
  lab.provider.person = { account: 'mallory' };
  expect(await lab.signIn(laptop)).toMatchObject({ status: 403, body: { code: 'sign-in-user-unverified' } });
});

it.each([
  ['a list of other things than texts', [{ name: 'finance' }], 'id-token-invalid'],
  [
    'more groups than a token can carry',
    Array.from({ length: 500 }, (_, at) => `group-${at}-of-many`),
    'sign-in-claims-too-large',
  ],
])('refuses %s, and takes no part of it for the whole', async (_what, groups, code) => {
  const laptop = await lab.control.enroll('carol@example.org');
  lab.provider.accounts.set('carol', { email: 'carol@example.org', email_verified: true, groups });
  lab.provider.person = { account: 'carol' };
  expect(await lab.signIn(laptop)).toMatchObject({ status: 403, body: { code } });
});

it('ends a sign-in on the laptop’s word, once and for good', async () => {
  const laptop = await lab.control.enroll('alice@example.org');
  const { signIn } = (await lab.signIn(laptop)).body;
  const signOut = () =>
    lab.control.ask('POST', '/v1/device/sign-out', { key: null, client: laptop, body: { signIn } });
  expect(await signOut()).toMatchObject({ status: 200, body: { ended: true } });
  expect(await lab.token(laptop, signIn)).toMatchObject({ status: 401, body: { code: 'sign-in-ended' } });
  expect(await signOut()).toMatchObject({ status: 200, body: { ended: false } });
  expect(await lab.token(laptop, (await lab.signIn(laptop)).body.signIn)).toMatchObject({ status: 200 });
});
