import { createPrivateKey, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { x509 } from './x509-library.ts';
import { DerError, derTag, expectElement, readChildren, readDocument } from './der.ts';
import { isP256PublicKey } from './p256.ts';
import { decodePem, encodePem } from './pem.ts';

/** The request is not one of ours to certify. `message` may be told to the peer. */
export class CertificateRequestError extends Error {
  override readonly name = 'CertificateRequestError';
}

/** A request for a P-256 key is about 300 bytes. Strangers send these, so nothing larger is even parsed. */
export const maxRequestBytes = 4096;

const label = 'CERTIFICATE REQUEST';
const ecdsaWithSha256 = Buffer.from('300a06082a8648ce3d040302', 'hex');

/** A new P-256 key (PKCS#8) and a request for it. */
export async function createKeyAndRequest(): Promise<{ privateKeyPem: string; csrPem: string }> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const privateKeyPem = privateKey.export({ format: 'pem', type: 'pkcs8' });
  return { privateKeyPem, csrPem: await createRequest(privateKeyPem) };
}

/** A PKCS#10 request (RFC 2986) that says nothing but the public key: the issuer would not listen to more. */
export async function createRequest(privateKeyPem: string): Promise<string> {
  const privateKey = createPrivateKey(privateKeyPem);
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256' };
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys: {
      privateKey: privateKey.toCryptoKey(algorithm, false, ['sign']),
      publicKey: createPublicKey(privateKeyPem).toCryptoKey(algorithm, true, ['verify']),
    },
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
  });
  return encodePem(new Uint8Array(request.rawData), label);
}

/**
 * Checks that the sender holds the private key (the request is signed by it) and that it is P-256, and takes the
 * public key and nothing else: subject, names and wished-for extensions are not even looked at.
 * Throws CertificateRequestError.
 */
export async function parseRequest(csrPem: string): Promise<{ publicKeyPem: string }> {
  if (csrPem.length > maxRequestBytes) throw new CertificateRequestError('the request is too large');
  const der = decodePem(csrPem, label);
  if (der === undefined) throw new CertificateRequestError('not one PEM certificate request');
  const { signed, spki, signature } = readRequest(der);
  if (!isP256PublicKey(spki)) throw new CertificateRequestError('the key is not P-256');
  try {
    const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    if (verify('sha256', signed, publicKey, signature)) {
      return { publicKeyPem: publicKey.export({ format: 'pem', type: 'spki' }) };
    }
  } catch (error) {
    // A point that is not on the curve.
    throw new CertificateRequestError('not a public key', { cause: error });
  }
  throw new CertificateRequestError('the request is not signed by its own key');
}

function readRequest(der: Buffer): { signed: Buffer; spki: Buffer; signature: Buffer } {
  try {
    const [info, algorithm, signature, ...rest] = readChildren(der, readDocument(der));
    if (info?.tag !== derTag.sequence || signature?.tag !== derTag.bitString || rest.length > 0) {
      throw new DerError('not the three parts of a request');
    }
    if (algorithm === undefined || !der.subarray(algorithm.start, algorithm.end).equals(ecdsaWithSha256)) {
      throw new DerError('not signed with ECDSA and SHA-256');
    }
    if (der[signature.content] !== 0) throw new DerError('signature of a broken number of octets');
    const version = expectElement(der, info.content, info.end, derTag.integer);
    const subject = expectElement(der, version.end, info.end, derTag.sequence);
    const key = expectElement(der, subject.end, info.end, derTag.sequence);
    return {
      signed: der.subarray(info.start, info.end),
      spki: der.subarray(key.start, key.end),
      signature: der.subarray(signature.content + 1, signature.end),
    };
  } catch (error) {
    if (error instanceof DerError) throw new CertificateRequestError(error.message, { cause: error });
    throw error;
  }
}
