import { createPrivateKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { PublishedKey } from '../domain/control-state.ts';

export type KeyUse = PublishedKey['use'];

/** The private half of a published key, ready to sign. */
export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
}

/** Reads a private key (PKCS#8 PEM, not encrypted). Throws TypeError unless it is P-256: tokens are ES256 only. */
export function loadSigningKey(kid: string, privateKeyPem: string): SigningKey {
  const privateKey = createPrivateKey(privateKeyPem);
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1')
    throw new TypeError('signing keys are P-256');
  return { kid, privateKey };
}

/** A new key: its public half for the ledger, its private half for a key file. `now` in epoch seconds. */
export function createSigningKey(
  use: KeyUse,
  now: number,
): { privateKeyPem: string; published: PublishedKey } {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const { x, y } = publicKey.export({ format: 'jwk' });
  if (x === undefined || y === undefined) throw new TypeError('not an elliptic curve key');
  return {
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    published: {
      kid: randomBytes(12).toString('base64url'),
      use,
      jwk: { kty: 'EC', crv: 'P-256', x, y },
      publishedAt: now,
    },
  };
}
