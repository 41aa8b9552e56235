import { createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { x509 } from './x509-library.ts';

/** A certificate that may issue others, with its key as unencrypted PKCS#8: it lives in memory only. */
export interface AuthorityCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

/** An authority that is ready to sign. */
export interface Signer {
  readonly name: x509.Name;
  /** Epoch seconds; what it signs ends no later. */
  readonly notAfter: number;
  readonly keyIdentifier: x509.AuthorityKeyIdentifierExtension;
  readonly key: CryptoKey;
  readonly algorithm: {
    readonly name: 'ECDSA' | 'RSASSA-PKCS1-v1_5';
    readonly hash: 'SHA-256' | 'SHA-384';
  };
  /** Extended key usages, as object identifiers. */
  readonly purposes: readonly string[];
}

async function loadSigner(authority: AuthorityCertificate): Promise<Signer> {
  const certificate = new X509Certificate(authority.certificatePem);
  const privateKey = createPrivateKey(authority.privateKeyPem);
  if (!certificate.ca || !certificate.checkPrivateKey(privateKey)) {
    throw new TypeError('not an authority, or the key of another one');
  }
  const parsed = new x509.X509Certificate(certificate.raw);
  return {
    name: parsed.subjectName,
    notAfter: toSeconds(parsed.notAfter),
    keyIdentifier: await x509.AuthorityKeyIdentifierExtension.create(parsed.publicKey),
    ...signingKeyOf(privateKey),
    // Node calls the extended key usage `keyUsage`.
    purposes: certificate.keyUsage ?? [],
  };
}

function signingKeyOf(privateKey: KeyObject): Pick<Signer, 'key' | 'algorithm'> {
  if (privateKey.asymmetricKeyType === 'rsa') {
    const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;
    return { key: privateKey.toCryptoKey(algorithm, false, ['sign']), algorithm };
  }
  const namedCurve = privateKey.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256';
  return {
    key: privateKey.toCryptoKey({ name: 'ECDSA', namedCurve }, false, ['sign']),
    algorithm: { name: 'ECDSA', hash: namedCurve === 'P-384' ? 'SHA-384' : 'SHA-256' },
  };
}

// Reading an authority costs more than signing with it. The object is the key, so one that replaces it is read anew.
const signers = new WeakMap<AuthorityCertificate, Promise<Signer>>();

/** Throws TypeError for something that is not an authority with its own key. */
export function signerOf(authority: AuthorityCertificate): Promise<Signer> {
  const known = signers.get(authority);
  if (known !== undefined) return known;
  const signer = loadSigner(authority);
  signers.set(authority, signer);
  return signer;
}

/** What a certificate will say, but for what its signer adds: serial number, issuer and key identifiers. */
export interface Draft {
  readonly subject: x509.JsonName;
  readonly publicKey: KeyObject;
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: readonly x509.Extension[];
}

export async function signCertificate(draft: Draft, signer: Signer): Promise<x509.X509Certificate> {
  const spki = spkiOf(draft.publicKey);
  return x509.X509CertificateGenerator.create({
    // 128 random bits; the library adds the zero octet that keeps it positive, and replaces a zero.
    serialNumber: randomBytes(16).toString('hex'),
    subject: draft.subject,
    issuer: signer.name,
    notBefore: new Date(draft.notBefore * 1000),
    notAfter: new Date(draft.notAfter * 1000),
    publicKey: spki,
    signingKey: signer.key,
    signingAlgorithm: signer.algorithm,
    extensions: [
      ...draft.extensions,
      await x509.SubjectKeyIdentifierExtension.create(spki),
      signer.keyIdentifier,
    ],
  });
}

export const spkiOf = (key: KeyObject): Buffer<ArrayBuffer> =>
  Buffer.from(key.export({ format: 'der', type: 'spki' }));

export const toPem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem').trim()}\n`;

export const toSeconds = (date: Date): number => Math.floor(date.getTime() / 1000);
