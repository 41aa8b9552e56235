import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  hkdfSync,
  randomBytes,
} from 'node:crypto';

/**
 * Gives someone a value to keep that they can neither read nor change. Each purpose has a key of its own, so what was
 * sealed for one cannot be opened for another.
 */
export interface Sealer {
  seal(purpose: string, value: unknown): string;
  /** Undefined for everything that `seal` of this purpose did not make; never throws on bad input. */
  open(purpose: string, text: string): unknown;
  /** The same for the same text, and says nothing of it to whoever lacks the key: HMAC-SHA-256, hexadecimal. */
  tag(purpose: string, text: string): string;
}

const prefix = 'pss1.';
const ivBytes = 12;
const tagBytes = 16;
const maxCharacters = 32_768;
const shape = /^pss1\.([A-Za-z0-9_-]+)$/;

/**
 * AES-256-GCM under keys derived (HKDF, RFC 5869) from the device authority's private key: every control plane of an
 * organization has it already, it is in each backup, and whoever has it could issue himself a device anyway. So no
 * further secret has to be made, copied between servers, rotated with them, or lost.
 */
export function createSealer(privateKeyPem: string): Sealer {
  const { d } = createPrivateKey(privateKeyPem).export({ format: 'jwk' });
  if (d === undefined) throw new TypeError('sealing keys come from an elliptic curve key');
  const material = Buffer.from(d, 'base64url');
  const keys = new Map<string, Buffer>();
  const keyOf = (purpose: string): Buffer => {
    let key = keys.get(purpose);
    if (key === undefined) {
      key = Buffer.from(hkdfSync('sha256', material, Buffer.alloc(0), `postern seal v1 ${purpose}`, 32));
      keys.set(purpose, key);
    }
    return key;
  };

  return {
    seal(purpose, value) {
      const iv = randomBytes(ivBytes);
      const cipher = createCipheriv('aes-256-gcm', keyOf(purpose), iv);
      const sealed = Buffer.concat([
        iv,
        cipher.update(JSON.stringify(value)),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return prefix + sealed.toString('base64url');
    },
    tag: (purpose, text) => createHmac('sha256', keyOf(purpose)).update(text).digest('hex'),
    open(purpose, text) {
      if (text.length > maxCharacters) return undefined;
      const sealed = Buffer.from(shape.exec(text)?.[1] ?? '', 'base64url');
      if (sealed.length <= ivBytes + tagBytes) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', keyOf(purpose), sealed.subarray(0, ivBytes));
      decipher.setAuthTag(sealed.subarray(-tagBytes));
      try {
        const plain = [decipher.update(sealed.subarray(ivBytes, -tagBytes)), decipher.final()];
        return JSON.parse(Buffer.concat(plain).toString('utf8')) as unknown;
      } catch {
        return undefined;
      }
    },
  };
}
