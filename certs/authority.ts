import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { distributionPoint } from './distribution-point.ts';
import { deviceNameConstraints } from './name-constraints.ts';
import { isP256PublicKey } from './p256.ts';
import { backdatedSeconds, profiles, purposeOid } from './profiles.ts';
import type { ProfileName } from './profiles.ts';
import { isDeviceRsaKey } from './rsa.ts';
import { normalizeSerial } from './serial.ts';
import { signCertificate, signerOf, spkiOf, toPem, toSeconds } from './signer.ts';
import type { AuthorityCertificate, Signer } from './signer.ts';
import { subjectNames } from './subject-names.ts';
import type { CertificateSubject } from './subject-names.ts';
import { certificateThumbprint } from './thumbprint.ts';
import { x509 } from './x509-library.ts';

export type { AuthorityCertificate } from './signer.ts';

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

const year = 365 * 86_400;
const authorityUsage: x509.KeyUsageFlags = x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign;

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
    algorithm: { name: 'ECDSA', hash: 'SHA-384' },
    purposes: [],
  } satisfies Signer;

  const issue = async (
    subject: x509.JsonName,
    keys: { publicKey: KeyObject; privateKey: KeyObject },
    lifetime: number,
    pathLength: number,
    more: readonly x509.Extension[] = [],
  ): Promise<AuthorityCertificate> => {
    const certificate = await signCertificate(
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
  more: { readonly revocationListUrl?: string } = {},
): Promise<IssuedLeaf> {
  const profile = profiles[profileName];
  const names = subjectNames(profileName, subject);
  const publicKey = createPublicKey(subject.publicKeyPem);
  const isRightKey = profile.key === 'rsa' ? isDeviceRsaKey : isP256PublicKey;
  if (!isRightKey(spkiOf(publicKey))) throw new TypeError(`not a key of profile ${profileName}`);
  const signer = await signerOf(issuer);
  const isRightSigner = (signer.algorithm.name === 'ECDSA') === (profile.key === 'p256');
  if (!signer.purposes.includes(purposeOid[profile.purpose]) || !isRightSigner) {
    throw new TypeError(`this authority may not issue a certificate of profile ${profileName}`);
  }
  // X.520 gives a common name 64 characters; nothing reads it but people.
  const commonName = (subject.commonName ?? profile.title).slice(0, 64);
  const issuedAt = toSeconds(now);
  const notBefore = issuedAt - backdatedSeconds;
  const notAfter = Math.min(issuedAt + profile.lifetimeSeconds, signer.notAfter);
  const certificate = await signCertificate(
    {
      subject: [{ CN: [commonName] }],
      publicKey,
      notBefore,
      notAfter,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([profile.usage ?? purposeOid[profile.purpose]]),
        new x509.SubjectAlternativeNameExtension(names),
        ...(more.revocationListUrl === undefined
          ? []
          : [new x509.Extension('2.5.29.31', false, distributionPoint(more.revocationListUrl))]),
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
