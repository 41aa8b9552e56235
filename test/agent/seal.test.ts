import { generateKeyPairSync } from 'node:crypto';
import { expect, it } from 'vitest';
import { openSealed, sealForKey } from '../../agent/keys/seal.ts';

const makeKey = (namedCurve = 'P-256'): string =>
  generateKeyPairSync('ec', { namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' });

it('opens with the key that it was sealed for, whatever the text, and looks different each time', async () => {
  const key = makeKey();
  for (const text of ['', 'eyJ.of.alice', 'é'.repeat(9000)])
    expect(await openSealed(key, sealForKey(key, text))).toBe(text);
  expect(sealForKey(key, 'the same')).not.toBe(sealForKey(key, 'the same'));
});

it('opens with no other key, and not where one byte was altered or the end is missing', async () => {
  const key = makeKey();
  const sealed = sealForKey(key, 'eyJ.of.alice');
  await expect(openSealed(makeKey(), sealed)).rejects.toThrow();
  const bytes = Buffer.from(sealed, 'base64url');
  for (const at of bytes.keys()) {
    const altered = Buffer.from(bytes);
    altered.writeUInt8(bytes.readUInt8(at) ^ 1, at);
    await expect(openSealed(key, altered.toString('base64url'))).rejects.toThrow();
    await expect(openSealed(key, bytes.subarray(0, at).toString('base64url'))).rejects.toThrow();
  }
});
