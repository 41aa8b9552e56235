/**
 * jose 6.2 decodes base64url as browsers do: it forgives spaces, padding and stray bits behind the last octet, so that
 * six tokens which Wycheproof calls invalid verify. One token then has many spellings. Whatever is kept by the raw text
 * (a cache of decisions, a list of revoked tokens, a count of uses) is got round by the next spelling. Here the
 * spellings that jose itself accepts are presented to our verifier, which knows one.
 */
import { compactVerify } from 'jose';
import { describe, expect, it } from 'vitest';
import { createPublicKey } from 'node:crypto';
import { signSessionToken } from '../../src/identity/session-token.ts';
import { content, makeKey, now, thumbprint, verifierOf } from '../identity/token-lab.ts';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** Other spellings of the same signature: signed is the text before it, so only its own spelling is free. */
function spellings(token: string): string[] {
  const at = token.lastIndexOf('.') + 1;
  const [signed, signature] = [token.slice(0, at), token.slice(at)];
  const last = alphabet.indexOf(signature.at(-1) ?? '');
  const strayBits = [1, 2, 3].map((bits) => signature.slice(0, -1) + (alphabet[last ^ bits] ?? ''));
  const spaced = [' ', '\t', '\n', '\r\n', '\f'].map(
    (space) => `${signature.slice(0, 40)}${space}${signature.slice(40)}`,
  );
  const padded = [`${signature}=`, `${signature}==`];
  const otherAlphabet = signature.replaceAll('-', '+').replaceAll('_', '/');
  const variants = [...strayBits, ...spaced, ...padded, ` ${signature}`, `${signature} `, otherAlphabet];
  return variants.filter((variant) => variant !== signature).map((variant) => signed + variant);
}

describe('another spelling of a good token', () => {
  const key = makeKey();
  const verifier = verifierOf(key);

  it('is refused as malformed, though jose accepts it', async () => {
    const { token } = await signSessionToken(key.signing, content());
    expect(await verifier.verify(token, thumbprint, now)).not.toHaveProperty('code');
    const publicKey = createPublicKey(key.publicKeyPem);
    let acceptedByJose = 0;
    for (const spelling of spellings(token)) {
      const accepted = await compactVerify(spelling, publicKey, { algorithms: ['ES256'] }).then(
        () => true,
        () => false,
      );
      if (accepted) acceptedByJose++;
      expect(await verifier.verify(spelling, thumbprint, now)).toMatchObject({ code: 'token-malformed' });
    }
    // When jose becomes strict, this test has lost its reason and says so.
    expect(acceptedByJose).toBeGreaterThan(0);
  });
});
