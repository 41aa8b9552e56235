import { createCipheriv, createPrivateKey, randomBytes, scryptSync } from 'node:crypto';
import { derTag, encodeDer } from './der.ts';
import { encodePem } from './pem.ts';

// What `openssl pkcs8 -topk8 -scrypt` uses; OpenSSL refuses to read anything that needs more than 32 MiB.
const cost = { N: 16_384, r: 8, p: 1 } as const;

const oid = {
  pbes2: Buffer.from('06092a864886f70d01050d', 'hex'),
  scrypt: Buffer.from('06092b06010401da47040b', 'hex'),
  aes256Cbc: Buffer.from('060960864801650304012a', 'hex'),
};

const integer = (value: number): Buffer => {
  const digits = value.toString(16);
  const octets = Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex');
  return encodeDer(
    derTag.integer,
    (octets[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.alloc(1), octets]) : octets,
  );
};

/**
 * A private key as encrypted PKCS#8 (RFC 5958) with scrypt (RFC 7914) and AES-256-CBC, which every OpenSSL since 1.1
 * reads. Node's own export offers only PBKDF2 with 2,048 rounds, which a stolen disk would not withstand.
 */
export function encryptPrivateKey(privateKeyPem: string, passphrase: string): string {
  const plain = createPrivateKey(privateKeyPem).export({ format: 'der', type: 'pkcs8' });
  const salt = randomBytes(16);
  const iv = randomBytes(16);
  const key = scryptSync(passphrase, salt, 32, { ...cost, maxmem: 64 * 1024 * 1024 });
  const cipher = createCipheriv('aes-256-cbc', key, iv);
  const encrypted = Buffer.concat([cipher.update(plain), cipher.final()]);
  key.fill(0);
  plain.fill(0);

  const { sequence, octetString } = derTag;
  const derivation = encodeDer(
    sequence,
    oid.scrypt,
    encodeDer(sequence, encodeDer(octetString, salt), integer(cost.N), integer(cost.r), integer(cost.p)),
  );
  const scheme = encodeDer(sequence, oid.aes256Cbc, encodeDer(octetString, iv));
  const algorithm = encodeDer(sequence, oid.pbes2, encodeDer(sequence, derivation, scheme));
  return encodePem(
    encodeDer(sequence, algorithm, encodeDer(octetString, encrypted)),
    'ENCRYPTED PRIVATE KEY',
  );
}
