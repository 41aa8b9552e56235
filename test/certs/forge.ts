import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { AuthorityCertificate } from '../../certs/authority.ts';
import { derTag, encodeDer, readChildren, readDocument } from '../../certs/der.ts';
import { encodePem } from '../../certs/pem.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');
const { sequence, octetString, oid } = derTag;

export const extensionOid = {
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  extendedKeyUsage: '551d25',
} as const;

export const purpose = {
  clientAuth: hex('06082b06010505070302'),
  serverAuth: hex('06082b06010505070301'),
  any: hex('0604551d2500'),
};

export const extension = (name: string, value: Buffer, critical = false): Buffer =>
  encodeDer(
    sequence,
    encodeDer(oid, hex(name)),
    ...(critical ? [hex('0101ff')] : []),
    encodeDer(octetString, value),
  );
export const generalName = (tag: number, text: string): Buffer => encodeDer(tag, Buffer.from(text, 'latin1'));
export const uriName = (text: string): Buffer => generalName(0x86, text);
export const dnsName = (text: string): Buffer => generalName(0x82, text);
export const subjectAltName = (...names: Buffer[]): Buffer =>
  extension(extensionOid.subjectAltName, encodeDer(sequence, ...names));
export const extendedKeyUsage = (...purposes: Buffer[]): Buffer =>
  extension(extensionOid.extendedKeyUsage, encodeDer(sequence, ...purposes));
export const basicConstraints = (value: string, critical = true): Buffer =>
  extension(extensionOid.basicConstraints, hex(value), critical);
export const keyUsage = (value: string, critical = true): Buffer =>
  extension(extensionOid.keyUsage, hex(value), critical);

const utcTime = (seconds: number): Buffer => {
  const text = new Date(seconds * 1000).toISOString().replaceAll(/[-:T]/g, '').slice(2, 14);
  return encodeDer(derTag.utcTime, Buffer.from(`${text}Z`));
};

/** Everything in a certificate that a hostile or careless issuer may choose. */
export interface Forgery {
  readonly version?: Buffer;
  readonly serial?: Buffer;
  readonly notBefore?: number;
  readonly notAfter?: number;
  readonly subject?: Buffer;
  readonly publicKey?: KeyObject;
  readonly extensions?: Readonly<Record<string, Buffer | undefined>>;
  /** Put behind the extensions, before the end of the list. */
  readonly moreExtensions?: readonly Buffer[];
}

export interface ForgedCertificate {
  readonly certificate: X509Certificate;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/**
 * Writes a certificate octet by octet and signs it with the authority's own key: what a stolen, broken or careless
 * issuer could make. Without changes it is a good device certificate, which is what the tests compare with.
 */
export function forgeCertificate(
  issuer: AuthorityCertificate,
  context: { uri: string; now: number },
  forgery: Forgery = {},
): ForgedCertificate {
  const keys = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const publicKey = forgery.publicKey ?? keys.publicKey;
  const extensions = {
    basicConstraints: basicConstraints('3000'),
    keyUsage: keyUsage('03020780'),
    extendedKeyUsage: extendedKeyUsage(purpose.clientAuth),
    subjectAltName: subjectAltName(uriName(context.uri)),
    ...forgery.extensions,
  };
  const written = Object.values(extensions).filter((value) => value !== undefined);
  const algorithm = hex('300a06082a8648ce3d040302');
  const tbs = encodeDer(
    sequence,
    forgery.version ?? hex('a003020102'),
    encodeDer(derTag.integer, forgery.serial ?? hex('4c7bf0a1c9d2e3f4051627384950a1b2')),
    algorithm,
    subjectOf(new X509Certificate(issuer.certificatePem)),
    encodeDer(
      sequence,
      utcTime(forgery.notBefore ?? context.now - 300),
      utcTime(forgery.notAfter ?? context.now + 7 * 86_400),
    ),
    forgery.subject ?? encodeDer(sequence),
    publicKey.export({ format: 'der', type: 'spki' }),
    ...(written.length === 0
      ? []
      : [encodeDer(0xa3, encodeDer(sequence, ...written, ...(forgery.moreExtensions ?? [])))]),
  );
  const signature = sign('sha256', tbs, createPrivateKey(issuer.privateKeyPem));
  const der = encodeDer(sequence, tbs, algorithm, encodeDer(derTag.bitString, Buffer.alloc(1), signature));
  return {
    certificate: new X509Certificate(der),
    certificatePem: encodePem(der, 'CERTIFICATE'),
    keyPem: keys.privateKey.export({ format: 'pem', type: 'pkcs8' }),
  };
}

/** The subject of a certificate as it stands in the DER. */
function subjectOf(certificate: X509Certificate): Buffer {
  const der = certificate.raw;
  const [tbs] = readChildren(der, readDocument(der));
  const subject = tbs === undefined ? undefined : readChildren(der, tbs)[5];
  if (subject === undefined) throw new TypeError('not a certificate');
  return der.subarray(subject.start, subject.end);
}

export const rsaPublicKey = (): KeyObject => generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey;
export const p384PublicKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-384' }).publicKey;
export const ed25519PublicKey = (): KeyObject => createPublicKey(generateKeyPairSync('ed25519').privateKey);
