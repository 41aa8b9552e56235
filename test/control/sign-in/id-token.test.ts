import { generateKeyPairSync } from 'node:crypto';
import { decodeJwt, SignJWT } from 'jose';
import type { JWTPayload } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startSignInLab } from '../sign-in-lab.ts';
import type { SignInLab } from '../sign-in-lab.ts';
import type { Identity } from '../control-lab.ts';

let lab: SignInLab;
let laptop: Identity;
beforeAll(async () => {
  lab = await startSignInLab();
  laptop = await lab.control.enroll('alice@example.org');
});
afterAll(() => lab.close());

/** Signs in while the token endpoint answers with another ID token than the one that it made. */
async function signInWith(change: (claims: JWTPayload, original: string) => Promise<string> | string) {
  lab.provider.tamper = async (body) => {
    const original = String(body['id_token']);
    body['id_token'] = await change(decodeJwt(original), original);
  };
  try {
    return await lab.signIn(laptop);
  } finally {
    lab.provider.tamper = undefined;
  }
}

const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 });
const elliptic = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const hour = 3600;

it('takes the token as the provider made it, also when it was signed anew by the same key', async () => {
  expect(await signInWith((_, original) => original)).toMatchObject({ status: 200 });
  expect(await signInWith((claims) => lab.provider.sign({ ...claims }))).toMatchObject({ status: 200 });
});

it.each<[string, string, (claims: JWTPayload) => Promise<string>]>([
  [
    'expired',
    'id-token-invalid',
    (claims) => lab.provider.sign({ ...claims, exp: Number(claims.iat) - hour }),
  ],
  ['for another client', 'id-token-invalid', (claims) => lab.provider.sign({ ...claims, aud: 'another' })],
  [
    'for us and another client, made out to that one',
    'id-token-invalid',
    (claims) => lab.provider.sign({ ...claims, aud: ['postern', 'another'], azp: 'another' }),
  ],
  [
    'of another issuer',
    'id-token-invalid',
    (claims) => lab.provider.sign({ ...claims, iss: 'https://evil.example' }),
  ],
  ['without a nonce', 'id-token-invalid', (claims) => lab.provider.sign({ ...claims, nonce: undefined })],
  ['with another nonce', 'sign-in-nonce-mismatch', (claims) => lab.provider.sign({ ...claims, nonce: 'x' })],
  [
    'whose proof is older than was asked for',
    'id-token-invalid',
    (claims) => lab.provider.sign({ ...claims, auth_time: Number(claims.iat) - 24 * hour }),
  ],
  [
    'that does not say when the user was there',
    'id-token-invalid',
    (claims) => lab.provider.sign({ ...claims, auth_time: undefined }),
  ],
  [
    'signed by another key under the same name',
    'id-token-invalid',
    (claims) =>
      new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'provider-1' }).sign(stranger.privateKey),
  ],
  [
    'of another algorithm',
    'id-token-invalid',
    (claims) => new SignJWT(claims).setProtectedHeader({ alg: 'ES256' }).sign(elliptic.privateKey),
  ],
  [
    'signed with our own secret',
    'id-token-invalid',
    (claims) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'HS256' })
        .sign(Buffer.from(lab.provider.clientSecret.padEnd(32))),
  ],
  [
    'that is not signed at all',
    'id-token-invalid',
    async (claims) => `${btoaUrl({ alg: 'none' })}.${btoaUrl(claims)}.`,
  ],
])('refuses an ID token %s', async (_what, code, change) => {
  const answer = await signInWith(change);
  expect(answer).toMatchObject({ status: 403, body: { code } });
  expect(answer.body).not.toHaveProperty('signIn');
});

it('refuses an ID token that was good for an earlier sign-in', async () => {
  let first = '';
  await signInWith((_, original) => (first = original));
  expect(await signInWith(() => first)).toMatchObject({
    status: 403,
    body: { code: 'sign-in-nonce-mismatch' },
  });
});

it('writes no token, code or secret to the log, whatever was wrong', async () => {
  let seen = '';
  await signInWith((claims, original) => {
    seen = original;
    return lab.provider.sign({ ...claims, nonce: 'x' });
  });
  const log = lab.control.logged();
  expect(log).toContain('sign-in-nonce-mismatch');
  for (const secret of [
    seen,
    seen.split('.')[1] ?? '',
    lab.provider.clientSecret,
    String(decodeJwt(seen)['nonce']),
  ])
    expect(log).not.toContain(secret);
});

const btoaUrl = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
