import { createHash, sign, verify, X509Certificate } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { DerError, derTag, encodeDer, readChildren } from '../der.ts';
import type { DerElement } from '../der.ts';
import { isDeviceRsaKey } from '../rsa.ts';
import * as der from './elements.ts';
import { oid } from './object-identifiers.ts';
import type { SigningHash } from './object-identifiers.ts';

const hashes: Readonly<Record<string, SigningHash>> = {
  [oid.sha256]: 'sha256',
  [oid.sha384]: 'sha384',
  [oid.sha512]: 'sha512',
};
const signatures: Readonly<Record<SigningHash, string>> = {
  sha256: oid.sha256WithRsa,
  sha384: oid.sha384WithRsa,
  sha512: oid.sha512WithRsa,
};
const maxCertificates = 4;

/** What was signed, after the signature was found good. Who its certificate makes the signer is not yet known. */
export interface SignedMessage {
  readonly content: Buffer;
  readonly signer: X509Certificate;
  readonly hash: SigningHash;
  /** Of each attribute, by object identifier, its one value with its tag. */
  readonly attributes: ReadonlyMap<string, { readonly tag: number; readonly content: Buffer }>;
  readonly signature: Buffer;
}

/**
 * Reads SignedData (RFC 5652, section 5) with one signer and signed attributes, and verifies the signature with the
 * certificate that came along: by OpenSSL, RSA of 2,048 bits or more with SHA-256 or longer. Throws DerError for all that
 * is not so.
 */
export function verifySignedData(message: Buffer): SignedMessage {
  const data = der.readContentInfo(message, oid.signedData);
  const [version, digests, encapsulated, certificates, ...rest] = readChildren(message, data);
  const signers = rest.at(-1);
  if (
    version?.tag !== derTag.integer ||
    digests?.tag !== der.tag.set ||
    encapsulated === undefined ||
    certificates?.tag !== der.tag.context0 ||
    signers?.tag !== der.tag.set ||
    rest.length > 2 ||
    (rest.length === 2 && rest[0]?.tag !== der.tag.context1)
  )
    throw new DerError('not signed data with a certificate');
  const content = readEncapsulated(message, encapsulated);
  const [info, ...others] = readChildren(message, signers);
  if (info?.tag !== derTag.sequence || others.length > 0) throw new DerError('not one signer');
  const parts = readSigner(message, info);
  const signer = findCertificate(message, certificates, parts.identifier);
  const attributes = readAttributes(message, parts.attributes);
  if (!attributes.get(oid.contentType)?.content.equals(Buffer.from(oid.data, 'hex')))
    throw new DerError('the content type is not signed');
  const digest = attributes.get(oid.messageDigest);
  if (
    digest?.tag !== derTag.octetString ||
    !digest.content.equals(createHash(parts.hash).update(content).digest())
  )
    throw new DerError('the digest is not that of the content');
  const { publicKey } = signer;
  if (!isDeviceRsaKey(publicKey.export({ format: 'der', type: 'spki' })))
    throw new DerError('the signer has no RSA key of 2048 to 4096 bits');
  // RFC 5652, section 5.4: what is signed has the tag of a SET, and not that which it has in the message.
  const signed = Buffer.from(der.sliceOf(message, parts.attributes));
  signed[0] = der.tag.set;
  if (!verify(parts.hash, signed, publicKey, parts.signature)) throw new DerError('the signature is wrong');
  return { content, signer, hash: parts.hash, attributes, signature: parts.signature };
}

function readEncapsulated(message: Buffer, encapsulated: DerElement): Buffer {
  const { id, end } = der.leadingOid(message, encapsulated);
  const [explicit, ...others] = readChildren(message, { ...encapsulated, content: end });
  if (id !== oid.data || explicit?.tag !== der.tag.context0 || others.length > 0)
    throw new DerError('not data that was signed');
  const [content, ...more] = readChildren(message, explicit);
  if (content?.tag !== derTag.octetString || more.length > 0) throw new DerError('not data that was signed');
  return der.contentOf(message, content);
}

function readSigner(message: Buffer, info: DerElement) {
  const [version, identifier, digest, attributes, algorithm, signature, ...rest] = readChildren(
    message,
    info,
  );
  if (
    version?.tag !== derTag.integer ||
    identifier?.tag !== derTag.sequence ||
    digest === undefined ||
    attributes?.tag !== der.tag.context0 ||
    algorithm === undefined ||
    signature?.tag !== derTag.octetString ||
    rest.length > 0
  )
    throw new DerError('not a signer with signed attributes');
  const hash = hashes[der.leadingOid(message, digest).id];
  if (hash === undefined) throw new DerError('hash is not SHA-256, SHA-384 or SHA-512');
  const { id } = der.leadingOid(message, algorithm);
  if (id !== oid.rsaEncryption && id !== signatures[hash])
    throw new DerError('signature is not RSA with its hash');
  return {
    identifier: der.sliceOf(message, identifier),
    hash,
    attributes,
    signature: der.contentOf(message, signature),
  };
}

function findCertificate(message: Buffer, certificates: DerElement, identifier: Buffer): X509Certificate {
  for (const element of readChildren(message, certificates, maxCertificates)) {
    const bytes = der.sliceOf(message, element);
    if (!der.issuerAndSerial(bytes).equals(identifier)) continue;
    try {
      const certificate = new X509Certificate(bytes);
      // OpenSSL reads the key only when it is asked for.
      if (certificate.publicKey.type === 'public') return certificate;
    } catch (error) {
      throw new DerError('the certificate of the signer cannot be read', { cause: error });
    }
  }
  throw new DerError('the certificate of the signer did not come along');
}

function readAttributes(message: Buffer, list: DerElement): SignedMessage['attributes'] {
  const attributes = new Map<string, { readonly tag: number; readonly content: Buffer }>();
  for (const attribute of readChildren(message, list)) {
    const { id, end } = der.leadingOid(message, attribute);
    const [values, ...others] = readChildren(message, { ...attribute, content: end });
    if (values?.tag !== der.tag.set || others.length > 0) throw new DerError('not an attribute');
    const [value, ...more] = readChildren(message, values);
    // One reader would take the first, another the last.
    if (value === undefined || more.length > 0 || attributes.has(id))
      throw new DerError('an attribute that has not one value');
    attributes.set(id, { tag: value.tag, content: der.contentOf(message, value) });
  }
  return attributes;
}

/** SignedData with one signer and these attributes, beside contentType and messageDigest; `content` may be absent. */
export function buildSignedData(parts: {
  readonly content: Buffer | undefined;
  readonly attributes: readonly (readonly [id: string, value: Buffer])[];
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
  readonly hash: SigningHash;
}): Buffer {
  const { content, certificate, privateKey, hash } = parts;
  const digest = createHash(hash)
    .update(content ?? Buffer.alloc(0))
    .digest();
  const members = [
    [oid.contentType, der.objectIdentifier(oid.data)] as const,
    [oid.messageDigest, der.octets(digest)] as const,
    ...parts.attributes,
  ].map(([id, value]) => der.sequence(der.objectIdentifier(id), der.setOf(value)));
  const signed = der.setOf(...members);
  const signature = sign(hash, signed, privateKey);
  const implicit = Buffer.from(signed);
  implicit[0] = der.tag.context0;
  const hashAlgorithm = der.algorithm(oid[hash]);
  const signer = der.sequence(
    der.smallInteger(1),
    der.issuerAndSerial(certificate.raw),
    hashAlgorithm,
    implicit,
    der.algorithm(oid.rsaEncryption),
    der.octets(signature),
  );
  return der.contentInfo(
    oid.signedData,
    der.sequence(
      der.smallInteger(1),
      der.setOf(hashAlgorithm),
      encapsulate(content),
      encodeDer(der.tag.context0, certificate.raw),
      der.setOf(signer),
    ),
  );
}

/** SignedData that only carries certificates (RFC 8894, section 3.4), in this order. Nobody signed it. */
export const certificatesOnly = (certificates: readonly Buffer[]): Buffer =>
  der.contentInfo(
    oid.signedData,
    der.sequence(
      der.smallInteger(1),
      der.setOf(),
      encapsulate(undefined),
      encodeDer(der.tag.context0, ...certificates),
      der.setOf(),
    ),
  );

const encapsulate = (content: Buffer | undefined): Buffer =>
  der.sequence(
    der.objectIdentifier(oid.data),
    ...(content === undefined ? [] : [encodeDer(der.tag.context0, der.octets(content))]),
  );
