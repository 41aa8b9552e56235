import {
  constants,
  createCipheriv,
  createDecipheriv,
  privateDecrypt,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { joinPieces } from '../ber.ts';
import { DerError, derTag, encodeDer, readChildren, readDocument } from '../der.ts';
import type { DerElement } from '../der.ts';
import * as der from './elements.ts';
import { oid } from './object-identifiers.ts';

/** The envelope is of an algorithm that is not taken here, which its outside says. */
export class UnsupportedAlgorithm extends Error {
  override readonly name = 'UnsupportedAlgorithm';
}

interface Cipher {
  readonly name: 'aes-128-cbc' | 'aes-256-cbc';
  readonly id: string;
  readonly keyBytes: number;
}
const ciphers: readonly Cipher[] = [
  { name: 'aes-128-cbc', id: oid.aes128, keyBytes: 16 },
  { name: 'aes-256-cbc', id: oid.aes256, keyBytes: 32 },
];
const oaepHashes: Readonly<Record<string, string>> = {
  [oid.sha1]: 'sha1',
  [oid.sha256]: 'sha256',
  [oid.sha512]: 'sha512',
};

/** How an envelope is locked; the answer to it is locked in the same way. */
export interface Lock {
  readonly cipher: Cipher;
  /** AlgorithmIdentifier, as it stands in the envelope. */
  readonly transport: Buffer;
  /** Undefined for RSA with PKCS#1 v1.5. */
  readonly oaepHash: string | undefined;
}
export interface Envelope {
  /** Whom of those that were asked for it is for. */
  readonly recipient: X509Certificate;
  readonly lock: Lock;
  readonly wrappedKey: Buffer;
  readonly iv: Buffer;
  readonly ciphertext: Buffer;
}

/**
 * Reads the outside of EnvelopedData (RFC 5652, section 6) for the first of our certificates among its recipients. Throws
 * DerError, and UnsupportedAlgorithm for ciphers and key transports that are not ours.
 */
export function readEnvelope(message: Buffer, ours: readonly X509Certificate[]): Envelope {
  const data = der.readContentInfo(message, oid.envelopedData);
  const [version, recipients, encrypted, ...rest] = readChildren(message, data);
  if (
    version?.tag !== derTag.integer ||
    recipients?.tag !== der.tag.set ||
    encrypted?.tag !== derTag.sequence ||
    rest.length > 0
  )
    throw new DerError('not an envelope');
  const { recipient, transport, wrappedKey } = findRecipient(message, recipients, ours);
  const { id, end } = der.leadingOid(message, encrypted);
  const [algorithm, body, ...more] = readChildren(message, { ...encrypted, content: end });
  if (id !== oid.data || algorithm === undefined || body === undefined || more.length > 0)
    throw new DerError('not an envelope of data');
  const { id: cipherId, end: cipherEnd } = der.leadingOid(message, algorithm);
  const cipher = ciphers.find((known) => known.id === cipherId);
  if (cipher === undefined) throw new UnsupportedAlgorithm('the cipher is not AES-128 or AES-256 in CBC');
  const [iv, ...others] = readChildren(message, { ...algorithm, content: cipherEnd });
  if (iv?.tag !== derTag.octetString || iv.end - iv.content !== 16 || others.length > 0)
    throw new DerError('not an initialization vector');
  return {
    recipient,
    lock: { cipher, transport, oaepHash: readTransport(transport) },
    wrappedKey,
    iv: der.contentOf(message, iv),
    ciphertext: readCiphertext(message, body),
  };
}

function findRecipient(message: Buffer, recipients: DerElement, ours: readonly X509Certificate[]) {
  const wanted = ours.map((recipient) => ({ recipient, name: der.issuerAndSerial(recipient.raw) }));
  for (const info of readChildren(message, recipients, 4)) {
    if (info.tag !== derTag.sequence) continue;
    const [, identifier, transport, key] = readChildren(message, info);
    if (identifier === undefined) continue;
    const bytes = der.sliceOf(message, identifier);
    const recipient = wanted.find(({ name }) => bytes.equals(name))?.recipient;
    if (recipient === undefined) continue;
    if (transport?.tag !== derTag.sequence || key?.tag !== derTag.octetString)
      throw new DerError('not a recipient');
    return { recipient, transport: der.sliceOf(message, transport), wrappedKey: der.contentOf(message, key) };
  }
  throw new DerError('the envelope is not for us');
}

/** The hash of OAEP (RFC 8017, appendix A.2.1), undefined for PKCS#1 v1.5. */
function readTransport(transport: Buffer): string | undefined {
  const whole = readDocument(transport);
  const [, parameters] = readChildren(transport, whole);
  const { id } = der.leadingOid(transport, whole);
  if (id === oid.rsaEncryption) return undefined;
  if (id !== oid.rsaOaep) throw new UnsupportedAlgorithm('the key is not transported with RSA');
  const [first] = parameters?.tag === derTag.sequence ? readChildren(transport, parameters) : [];
  if (first?.tag !== der.tag.context0) return 'sha1';
  const [algorithm] = readChildren(transport, first);
  const hash = algorithm === undefined ? undefined : oaepHashes[der.leadingOid(transport, algorithm).id];
  if (hash === undefined) throw new UnsupportedAlgorithm('a hash of OAEP that is not taken');
  return hash;
}

/** [0] IMPLICIT OCTET STRING: whole, or in pieces. */
function readCiphertext(message: Buffer, body: DerElement): Buffer {
  if (body.tag === 0x80) return der.contentOf(message, body);
  if (body.tag !== der.tag.context0) throw new DerError('not an encrypted content');
  return joinPieces(readChildren(message, body, 4096).map((piece) => der.sliceOf(message, piece)));
}

/**
 * What is in the envelope, or undefined, whatever was wrong with it. A key that does not unwrap is replaced by a random one,
 * so that it takes the same way as one that does (RFC 3218, section 2.3): who sends us the key of somebody else's envelope in
 * many guises learns nothing of it. The caller must answer alike for what is wrong from here on.
 */
export function openEnvelope(envelope: Envelope, privateKey: KeyObject): Buffer | undefined {
  const { cipher, oaepHash } = envelope.lock;
  let key = randomBytes(cipher.keyBytes);
  try {
    const unwrapped = privateDecrypt(keyOptions(privateKey, oaepHash), envelope.wrappedKey);
    if (unwrapped.length === key.length) key = unwrapped;
  } catch {
    // The random one serves.
  }
  try {
    const decipher = createDecipheriv(cipher.name, key, envelope.iv);
    return Buffer.concat([decipher.update(envelope.ciphertext), decipher.final()]);
  } catch {
    return undefined;
  }
}

/** EnvelopedData of a content for the RSA key of one certificate, locked in the same way as what it answers. */
export function sealEnvelope(content: Buffer, recipient: X509Certificate, lock: Lock): Buffer {
  const { cipher, transport, oaepHash } = lock;
  const key = randomBytes(cipher.keyBytes);
  const iv = randomBytes(16);
  const encipher = createCipheriv(cipher.name, key, iv);
  const ciphertext = Buffer.concat([encipher.update(content), encipher.final()]);
  const wrappedKey = publicEncrypt(keyOptions(recipient.publicKey, oaepHash), key);
  const info = der.sequence(
    der.smallInteger(0),
    der.issuerAndSerial(recipient.raw),
    transport,
    der.octets(wrappedKey),
  );
  const encrypted = der.sequence(
    der.objectIdentifier(oid.data),
    der.sequence(der.objectIdentifier(cipher.id), der.octets(iv)),
    encodeDer(0x80, ciphertext),
  );
  return der.contentInfo(oid.envelopedData, der.sequence(der.smallInteger(0), der.setOf(info), encrypted));
}

const keyOptions = (key: KeyObject, oaepHash: string | undefined) =>
  oaepHash === undefined
    ? { key, padding: constants.RSA_PKCS1_PADDING }
    : { key, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash };
