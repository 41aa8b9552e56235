/**
 * Pomerium CVE-2021-29652, Zscaler CVE-2025-54982, Fleet CVE-2026-23518: each had a way into the system on which the
 * signature or the issuer of a token was read but not verified, beside a way on which it was. An attacker writes a
 * token for anybody and goes the other way. So there must be one verifier, its signature check must come before
 * anything is believed, and nothing else in the product may take a token apart.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  content,
  forgeToken,
  goodClaims,
  goodHeader,
  makeKey,
  now,
  thumbprint,
  verifierOf,
} from '../identity/token-lab.ts';
import { signSessionToken } from '../../src/identity/session-token.ts';

const root = join(import.meta.dirname, '../..');

function sourceFiles(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

describe('a token', () => {
  const key = makeKey();
  const verify = (token: string) => verifierOf(key).verify(token, thumbprint, now);

  it('that anybody wrote is refused, however right its claims are', async () => {
    const attacker = makeKey();
    const token = forgeToken(attacker.signing, goodHeader(key.signing), {
      ...goodClaims(),
      sub: 'admin@example.org',
    });
    expect(await verify(token)).toMatchObject({ code: 'token-signature' });
    expect(await verify((await signSessionToken(key.signing, content())).token)).not.toHaveProperty('code');
  });

  it('of another issuer is refused, though a key of ours signed it', async () => {
    const claims = { ...goodClaims(), iss: 'spiffe://example.net/control' };
    expect(await verify(forgeToken(key.signing, goodHeader(key.signing), claims))).toMatchObject({
      code: 'token-audience',
    });
  });

  it('is judged by its signature before its claims are looked at', async () => {
    const attacker = makeKey();
    for (const claims of [{}, 'not json', { ...goodClaims(), exp: 0 }, { ...goodClaims(), aud: 'x' }]) {
      expect(await verify(forgeToken(attacker.signing, goodHeader(key.signing), claims))).toMatchObject({
        code: 'token-signature',
      });
    }
  });
});

describe('the source', () => {
  it('verifies our tokens in one file and logout tokens of the provider in another, and decodes unverified ones in none', () => {
    const files = ['src', 'agent', 'certs'].flatMap(sourceFiles);
    expect(files.length).toBeGreaterThan(50);
    const users = (pattern: RegExp): string[] =>
      files.filter((file) => pattern.test(readFileSync(join(root, file), 'utf8')));
    const logoutTokens = 'src/control/sign-in/logout-tokens.ts';
    expect(users(/\b(jwtVerify|compactVerify|flattenedVerify|generalVerify)\b/).sort()).toEqual([
      logoutTokens,
      'src/identity/session-token.ts',
    ]);
    expect(users(/\bcreateRemoteJWKSet\b/)).toEqual([logoutTokens]);
    expect(users(/\b(decodeJwt|decodeProtectedHeader|UnsecuredJWT|EmbeddedJWK)\b/)).toEqual([]);
  });
});
