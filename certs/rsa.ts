import { createPublicKey } from 'node:crypto';

/** SubjectPublicKeyInfo of RSA begins with rsaEncryption and NULL (RFC 3279, section 2.3.1), after its two lengths. */
const algorithm = Buffer.from('300d06092a864886f70d0101010500', 'hex');

/** Whether a public key is RSA of 2,048 to 4,096 bits with the exponent 65537. More bits would be work for strangers. */
export function isDeviceRsaKey(spki: Buffer): boolean {
  if (!spki.subarray(4, 4 + algorithm.length).equals(algorithm)) return false;
  try {
    const { asymmetricKeyDetails: key } = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const bits = key?.modulusLength ?? 0;
    return bits >= 2048 && bits <= 4096 && key?.publicExponent === 65_537n;
  } catch {
    return false;
  }
}
