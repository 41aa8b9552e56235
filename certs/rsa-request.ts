import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { DerError, derTag, expectElement, readChildren, readDocument, readElement } from './der.ts';
import { encodePem } from './pem.ts';
import { CertificateRequestError } from './request.ts';
import { isDeviceRsaKey } from './rsa.ts';
import { x509 } from './x509-library.ts';

/** A request for a key of 4,096 bits is about 1,300 bytes; strangers send these. */
export const maxRsaRequestBytes = 8192;

// Contents of the object identifiers, as hexadecimal: RSA with SHA-256, SHA-384, SHA-512.
const hashes: Readonly<Record<string, string>> = {
  '2a864886f70d01010b': 'sha256',
  '2a864886f70d01010c': 'sha384',
  '2a864886f70d01010d': 'sha512',
};
/** challengePassword (RFC 2985, section 5.4.1), as the others. */
const challengePassword = '2a864886f70d010907';
/** UTF8String, PrintableString, T61String and IA5String: what writers of this attribute choose among. */
const textTags: ReadonlySet<number> = new Set([0x0c, 0x13, 0x14, 0x16]);
const attributesTag = 0xa0;
const setTag = 0x31;

/** A new RSA key (PKCS#8) of 2,048 bits, which every device can use, and a request for it. */
export async function createRsaKeyAndRequest(): Promise<{ privateKeyPem: string; csrPem: string }> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' } as const;
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    keys: {
      privateKey: privateKey.toCryptoKey(algorithm, false, ['sign']),
      publicKey: publicKey.toCryptoKey(algorithm, true, ['verify']),
    },
    signingAlgorithm: algorithm,
  });
  return {
    privateKeyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }),
    csrPem: encodePem(new Uint8Array(request.rawData), 'CERTIFICATE REQUEST'),
  };
}

/**
 * The RSA counterpart of `parseRequest`: the request (PKCS#10, DER) must be signed by its own key, which is all
 * that is taken from it: names and wished-for extensions are not even looked at. Throws CertificateRequestError.
 * @returns the public key as PEM.
 */
export const parseRsaRequest = (der: Buffer): string => verifyRequest(der).publicKeyPem;

/**
 * The same for SCEP, where the request also has the challenge (RFC 8894, section 2.4), if it has one. Proven is only that
 * whoever has the key wrote it.
 */
export function parseChallengedRequest(der: Buffer): {
  readonly publicKeyPem: string;
  readonly challenge: string | undefined;
} {
  const { publicKeyPem, attributes } = verifyRequest(der);
  return { publicKeyPem, challenge: readChallenge(attributes) };
}

function verifyRequest(der: Buffer): { readonly publicKeyPem: string; readonly attributes: Buffer } {
  if (der.length > maxRsaRequestBytes) throw new CertificateRequestError('the request is too large');
  const { signed, spki, hash, signature, attributes } = readRequest(der);
  if (!isDeviceRsaKey(spki)) throw new CertificateRequestError('the key is not RSA of 2048 to 4096 bits');
  const publicKey = createPublicKey({ key: spki, format: 'der', type: 'spki' });
  if (!verify(hash, signed, publicKey, signature))
    throw new CertificateRequestError('the request is not signed by its own key');
  return { publicKeyPem: publicKey.export({ format: 'pem', type: 'spki' }), attributes };
}

function readChallenge(attributes: Buffer): string | undefined {
  let challenge: string | undefined;
  try {
    for (let at = 0; at < attributes.length; ) {
      const list = expectElement(attributes, at, attributes.length, attributesTag);
      for (const attribute of readChildren(attributes, list)) {
        const name = expectElement(attributes, attribute.content, attribute.end, derTag.oid);
        if (attributes.toString('hex', name.content, name.end) !== challengePassword) continue;
        const values = expectElement(attributes, name.end, attribute.end, setTag);
        const text = readElement(attributes, values.content, values.end);
        // One reader would take the first, another the last.
        if (challenge !== undefined || text.end !== values.end || !textTags.has(text.tag))
          throw new DerError('not one challenge');
        challenge = attributes.toString('latin1', text.content, text.end);
      }
      at = list.end;
    }
    return challenge;
  } catch (error) {
    if (error instanceof DerError) throw new CertificateRequestError(error.message, { cause: error });
    throw error;
  }
}

function readRequest(der: Buffer) {
  try {
    const [info, algorithm, signature, ...rest] = readChildren(der, readDocument(der));
    if (
      info?.tag !== derTag.sequence ||
      algorithm?.tag !== derTag.sequence ||
      signature?.tag !== derTag.bitString ||
      rest.length > 0
    )
      throw new DerError('not the three parts of a request');
    const name = expectElement(der, algorithm.content, algorithm.end, derTag.oid);
    const hash = hashes[der.toString('hex', name.content, name.end)];
    if (hash === undefined) throw new DerError('not signed with RSA and SHA-256 or better');
    if (der[signature.content] !== 0) throw new DerError('signature of a broken number of octets');
    const version = expectElement(der, info.content, info.end, derTag.integer);
    const subject = expectElement(der, version.end, info.end, derTag.sequence);
    const key = expectElement(der, subject.end, info.end, derTag.sequence);
    return {
      signed: der.subarray(info.start, info.end),
      spki: der.subarray(key.start, key.end),
      hash,
      attributes: der.subarray(key.end, info.end),
      signature: der.subarray(signature.content + 1, signature.end),
    };
  } catch (error) {
    if (error instanceof DerError) throw new CertificateRequestError(error.message, { cause: error });
    throw error;
  }
}
