import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/**
 * Answers may hold a secret that is shown once, such as a new API key. At rest they are sealed (AES-256-GCM) with what the
 * client alone brings: its idempotency key and its credential. Only the same request by the same client opens one.
 */
const keyOf = (credential: string, idempotencyKey: string): Buffer =>
  Buffer.from(hkdfSync('sha256', credential, idempotencyKey, 'postern-answer-1', 32));

export function sealAnswer(text: string, credential: string, idempotencyKey: string): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(credential, idempotencyKey), nonce);
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64');
}

/** Undefined for what another client, or another key, sealed. */
export function openAnswer(sealed: string, credential: string, idempotencyKey: string): string | undefined {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv(
    'aes-256-gcm',
    keyOf(credential, idempotencyKey),
    bytes.subarray(0, 12),
  ).setAuthTag(bytes.subarray(12, 28));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
