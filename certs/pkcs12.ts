import { X509Certificate } from 'node:crypto';
import { forge } from './forge-library.ts';

/** Iterations of PBKDF2 and of the MAC's derivation: a stolen bundle is tried against a dictionary. */
const iterations = 100_000;

/**
 * A PKCS#12 bundle (RFC 7292) of a private RSA key and its certificates, leaf first. The key and the certificates are
 * encrypted with AES-256 under the password, as OpenSSL 3 and all systems of the last years read it.
 */
export function buildPkcs12(content: {
  readonly privateKeyPem: string;
  readonly chainPem: string;
  readonly password: string;
  readonly friendlyName: string;
}): Buffer {
  const certificates =
    content.chainPem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const [leaf] = certificates;
  if (leaf === undefined || content.password === '') throw new TypeError('no certificate, or no password');
  const bundle = forge.pkcs12.toPkcs12Asn1(
    forge.pki.privateKeyFromPem(content.privateKeyPem),
    certificates.map((pem) => forge.pki.certificateFromPem(pem)),
    content.password,
    {
      algorithm: 'aes256',
      count: iterations,
      saltSize: 16,
      friendlyName: content.friendlyName,
      localKeyId: new X509Certificate(leaf).fingerprint.replaceAll(':', ''),
    },
  );
  return Buffer.from(forge.asn1.toDer(bundle).getBytes(), 'latin1');
}
