import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  randomBytes,
  X509Certificate,
} from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { x509 } from './x509-library.ts';
import { isP256PublicKey } from './p256.ts';
import { deviceNameConstraints } from './name-constraints.ts';
import { backdatedSeconds, profiles, purposeOid } from './profiles.ts';
import type { CertificateProfile, ProfileName } from './profiles.ts';
import { normalizeSerial } from './serial.ts';
import { certificateThumbprint } from './thumbprint.ts';

/** A certificate that may issue others, with its key as unencrypted PKCS#8: it lives in memory only. */
export interface AuthorityCertificate {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
}

export interface Authorities {
  /** Signs the two below it and then goes offline. */
  readonly root: AuthorityCertificate;
  readonly device: AuthorityCertificate;
  readonly service: AuthorityCertificate;
}

export interface IssuedLeaf {
  /** The leaf only, without its chain. */
  readonly certificatePem: string;
  /** Upper-case hexadecimal without leading zeros. */
  readonly serial: string;
  /** base64url SHA-256 of the DER. */
  readonly thumbprint: string;
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface CertificateSubject {
  readonly publicKeyPem: string;
  readonly uri?: string;
  readonly commonName?: string;
  readonly dnsNames?: readonly string[];
  readonly addresses?: readonly string[];
}

const year = 365 * 86_400;
const authorityUsage: x509.KeyUsageFlags = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;

interface Signer {
  readonly name: x509.Name;
  /** Epoch seconds; what it signs ends no later. */
  readonly notAfter: number;
  readonly keyIdentifier: x509.AuthorityKeyIdentifierExtension;
  readonly key: CryptoKey;
  readonly hash: string;
  /** Extended key usages, as object identifiers. */
  readonly purposes: readonly string[];
}

async function loadSigner(authority: AuthorityCertificate): Promise<Signer> {
  const certificate = new X509Certificate(authority.certificatePem);
  const keyObject = createPrivateKey(authority.privateKeyPem);
  if (!certificate.ca || !certificate.checkPrivateKey(keyObject)) {
    throw new TypeError('not an authority, or the key of another one');
  }
  const parsed = new x509.X509Certificate(certificate.raw);
  const curve = keyObject.asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'P-384' : 'P-256';
  return {
    name: parsed.subjectName,
    notAfter: toSeconds(parsed.notAfter),
    keyIdentifier: await x509.AuthorityKeyIdentifierExtension.create(parsed.publicKey),
    key: keyObject.toCryptoKey({ name: 'ECDSA', namedCurve: curve }, false, ['sign']),
    hash: curve === 'P-384' ? 'SHA-384' : 'SHA-256',
    // Node calls the extended key usage `keyUsage`.
    purposes: certificate.keyUsage ?? [],
  };
}

// Reading an authority costs more than signing with it; the object given is the key, so a replaced one is read anew.
const signers = new WeakMap<AuthorityCertificate, Promise<Signer>>();
function signerOf(authority: AuthorityCertificate): Promise<Signer> {
  const known = signers.get(authority);
  if (known !== undefined) return known;
  const signer = loadSigner(authority);
  signers.set(authority, signer);
  return signer;
}

interface Draft {
  readonly subject: x509.JsonName;
  readonly publicKey: KeyObject;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: readonly x509.Extension[];
}

const spkiOf = (key: KeyObject): Buffer<ArrayBuffer> =>
  Buffer.from(key.export({ format: 'der', type: 'spki' }));

async function sign(draft: Draft, signer: Signer): Promise<x509.X509Certificate> {
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
    signingAlgorithm: { name: 'ECDSA', hash: signer.hash },
    extensions: [
      ...draft.extensions,
      await x509.SubjectKeyIdentifierExtension.create(spki),
      signer.keyIdentifier,
    ],
  });
}

const toPem = (certificate: x509.X509Certificate): string => `${certificate.toString('pem').trim()}\n`;
const toSeconds = (date: Date): number => Math.floor(date.getTime() / 1000);

/**
 * Makes the three authorities of an organization: a root that only signs the two below it, one that can only certify
 * clients (devices and connectors of this domain), one that can only certify servers. No certificate of one can be
 * taken for one of the other: the purpose stands in the authority, and each listener trusts one authority alone.
 */
export async function createAuthorities(options: { domain: string; now: Date }): Promise<Authorities> {
  const notBefore = toSeconds(options.now) - backdatedSeconds;
  const nameOf = (title: string): x509.JsonName => [{ O: [options.domain] }, { CN: [title] }];

  const rootKeys = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const rootName = nameOf('Postern Root');
  const rootSigner = {
    name: new x509.Name(rootName),
    notAfter: notBefore + 20 * year,
    keyIdentifier: await x509.AuthorityKeyIdentifierExtension.create(spkiOf(rootKeys.publicKey)),
    key: rootKeys.privateKey.toCryptoKey({ name: 'ECDSA', namedCurve: 'P-384' }, false, ['sign']),
    hash: 'SHA-384',
    purposes: [],
  } satisfies Signer;

  const issue = async (
    subject: x509.JsonName,
    keys: { publicKey: KeyObject; privateKey: KeyObject },
    lifetime: number,
    pathLength: number,
    more: readonly x509.Extension[] = [],
  ): Promise<AuthorityCertificate> => {
    const certificate = await sign(
      {
        subject,
        publicKey: keys.publicKey,
        notBefore,
        notAfter: notBefore + lifetime,
        extensions: [
          new x509.BasicConstraintsExtension(true, pathLength, true),
          new x509.KeyUsagesExtension(authorityUsage, true),
          ...more,
        ],
      },
      rootSigner,
    );
    return {
      certificatePem: toPem(certificate),
      privateKeyPem: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }),
    };
  };
  const below = (title: string, more: readonly x509.Extension[]): Promise<AuthorityCertificate> =>
    issue(nameOf(title), generateKeyPairSync('ec', { namedCurve: 'P-256' }), 10 * year, 0, more);

  return {
    root: await issue(rootName, rootKeys, 20 * year, 1),
    device: await below('Postern Device Authority', [
      new x509.ExtendedKeyUsageExtension([purposeOid.clientAuth]),
      new x509.Extension('2.5.29.30', true, deviceNameConstraints(options.domain)),
    ]),
    service: await below('Postern Service Authority', [
      new x509.ExtendedKeyUsageExtension([purposeOid.serverAuth]),
    ]),
  };
}

/**
 * Issues one leaf. Everything in it but the public key is the caller's and the profile's word, never the request's.
 * Throws TypeError for a subject that does not fit the profile or an authority that may not issue it.
 */
export async function issueCertificate(
  issuer: AuthorityCertificate,
  profileName: ProfileName,
  subject: CertificateSubject,
  now: Date,
): Promise<IssuedLeaf> {
  const profile = profiles[profileName];
  const names = subjectNames(profile, subject);
  const publicKey = createPublicKey(subject.publicKeyPem);
  if (!isP256PublicKey(spkiOf(publicKey))) throw new TypeError('certificates are for P-256 keys only');
  const signer = await signerOf(issuer);
  if (!signer.purposes.includes(purposeOid[profile.purpose])) {
    throw new TypeError(`this authority may not issue a certificate of profile ${profileName}`);
  }
  const issuedAt = toSeconds(now);
  const notBefore = issuedAt - backdatedSeconds;
  const notAfter = Math.min(issuedAt + profile.lifetimeSeconds, signer.notAfter);
  const certificate = await sign(
    {
      subject: [{ CN: [subject.commonName ?? profile.title] }],
      publicKey,
      notBefore,
      notAfter,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([purposeOid[profile.purpose]]),
        new x509.SubjectAlternativeNameExtension(names),
      ],
    },
    signer,
  );
  return {
    certificatePem: toPem(certificate),
    serial: normalizeSerial(certificate.serialNumber),
    thumbprint: certificateThumbprint(new Uint8Array(certificate.rawData)),
    notBefore,
    notAfter,
  };
}

function subjectNames(profile: CertificateProfile, subject: CertificateSubject): x509.JsonGeneralNames {
  const services: x509.JsonGeneralNames = [
    ...(subject.dnsNames ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(subject.addresses ?? []).map((value) => ({ type: 'ip' as const, value })),
  ];
  if (profile.names === 'spiffe') {
    if (subject.uri === undefined || services.length > 0)
      throw new TypeError('a device has one URI and no other name');
    return [{ type: 'url', value: subject.uri }];
  }
  if (subject.uri !== undefined || services.length === 0)
    throw new TypeError('a service has names and no URI');
  return services;
}
