import {
  createCipheriv,
  createDecipheriv,
  createPrivateKey,
  createPublicKey,
  diffieHellman,
  generateKeyPairSync,
  hkdfSync,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { findTpm } from './find-tpm.ts';
import { agreeInTpm } from './make-tpm-key.ts';
import { publicKeyOf } from './public-key.ts';
import { isTpmKey } from './tpm-key.ts';

const curve = { namedCurve: 'P-256' };
const cipher = 'aes-256-gcm';
/** What the device key opens here can be taken for nothing else that it may ever open. */
const purpose = 'postern-agent kept on this laptop';
const keyBytes = 32;
const nonceBytes = 12;
const tagBytes = 16;

const spkiOf = (key: KeyObject): Buffer => key.export({ format: 'der', type: 'spki' });
const spkiBytes = spkiOf(generateKeyPairSync('ec', curve).publicKey).length;

/** Key and nonce of one sealing: each has a pair of keys of its own, so neither comes twice. */
function deriveSecrets(shared: Buffer, peer: Buffer, device: KeyObject): { key: Buffer; nonce: Buffer } {
  const salt = Buffer.concat([peer, spkiOf(device)]);
  const bytes = Buffer.from(hkdfSync('sha256', shared, salt, purpose, keyBytes + nonceBytes));
  return { key: bytes.subarray(0, keyBytes), nonce: bytes.subarray(keyBytes) };
}

/**
 * Encrypts a text for the device key itself (ephemeral ECDH on P-256, HKDF, AES-256-GCM), which takes only its public
 * half. Where the key is in a TPM, a copy of the disk opens nothing.
 */
export function sealForKey(keyPem: string, text: string): string {
  const device = publicKeyOf(keyPem);
  const once = generateKeyPairSync('ec', curve);
  const peer = spkiOf(once.publicKey);
  const shared = diffieHellman({ privateKey: once.privateKey, publicKey: device });
  const { key, nonce } = deriveSecrets(shared, peer, device);
  const encrypting = createCipheriv(cipher, key, nonce, { authTagLength: tagBytes });
  const sealed = [encrypting.update(text, 'utf8'), encrypting.final()];
  return Buffer.concat([peer, encrypting.getAuthTag(), ...sealed]).toString('base64url');
}

/**
 * What `sealForKey` sealed.
 * @throws where it was altered, is of another key, or the TPM does not answer.
 */
export async function openSealed(keyPem: string, sealed: string): Promise<string> {
  const bytes = Buffer.from(sealed, 'base64url');
  const peer = bytes.subarray(0, spkiBytes);
  const tag = bytes.subarray(spkiBytes, spkiBytes + tagBytes);
  const publicKey = createPublicKey({ key: peer, format: 'der', type: 'spki' });
  const shared = isTpmKey(keyPem)
    ? await agreeInTpm(await findTpm(), keyPem, publicKey)
    : diffieHellman({ privateKey: createPrivateKey(keyPem), publicKey });
  const { key, nonce } = deriveSecrets(shared, peer, publicKeyOf(keyPem));
  const decrypting = createDecipheriv(cipher, key, nonce, { authTagLength: tagBytes });
  decrypting.setAuthTag(tag);
  const text = [decrypting.update(bytes.subarray(spkiBytes + tagBytes)), decrypting.final()];
  return Buffer.concat(text).toString('utf8');
}
