import { createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { derTag, encodeDer } from '../../certs/der.ts';
import { encodePem } from '../../certs/pem.ts';
import {
  CertificateRequestError,
  createKeyAndRequest,
  createRequest,
  maxRequestBytes,
  parseRequest,
} from '../../certs/request.ts';

const hex = (text: string): Buffer => Buffer.from(text, 'hex');
const ecdsaWithSha256 = hex('300a06082a8648ce3d040302');
const newKeys = (curve = 'P-256') => generateKeyPairSync('ec', { namedCurve: curve });

/** A request written octet by octet: the key it names, and the key that signs it. */
function forgeRequest(
  publicKey: KeyObject,
  signingKey: KeyObject,
  options: { subject?: Buffer; attributes?: Buffer; algorithm?: Buffer; digest?: string; tail?: Buffer } = {},
): string {
  const { sequence } = derTag;
  const info = encodeDer(
    sequence,
    hex('020100'),
    options.subject ?? encodeDer(sequence),
    publicKey.export({ format: 'der', type: 'spki' }),
    options.attributes ?? hex('a000'),
  );
  const signature = sign(options.digest ?? 'sha256', info, signingKey);
  const bits = encodeDer(derTag.bitString, Buffer.alloc(1), signature);
  const request = encodeDer(sequence, info, options.algorithm ?? ecdsaWithSha256, bits);
  return encodePem(Buffer.concat([request, options.tail ?? Buffer.alloc(0)]), 'CERTIFICATE REQUEST');
}

const rejection = (csrPem: string) => expect(parseRequest(csrPem)).rejects.toThrow(CertificateRequestError);

describe('a certificate request', () => {
  it('gives the public key of the private key that made it', async () => {
    const { privateKeyPem, csrPem } = await createKeyAndRequest();
    const expected = createPublicKey(privateKeyPem).export({ format: 'pem', type: 'spki' });
    expect(await parseRequest(csrPem)).toEqual({ publicKeyPem: expected });
    expect(await parseRequest(await createRequest(privateKeyPem))).toEqual({ publicKeyPem: expected });
  });

  it('gives nothing else, whatever subject and extensions it wishes for', async () => {
    const { publicKey, privateKey } = newKeys();
    // CN=root, and an extension request for CA:TRUE.
    const subject = hex('300f310d300b06035504030c04726f6f74');
    const attributes = hex(
      'a021301f06092a864886f70d01090e311230103 00e0603551d130101ff040430030101ff'.replaceAll(' ', ''),
    );
    expect(await parseRequest(forgeRequest(publicKey, privateKey, { subject, attributes }))).toEqual({
      publicKeyPem: publicKey.export({ format: 'pem', type: 'spki' }),
    });
  });

  it('is refused without proof of the private key', async () => {
    const [mine, theirs] = [newKeys(), newKeys()];
    await rejection(forgeRequest(theirs.publicKey, mine.privateKey));
    await expect(parseRequest(forgeRequest(mine.publicKey, mine.privateKey))).resolves.toMatchObject({});
  });

  it('is refused for a key that is not P-256', async () => {
    const p384 = newKeys('P-384');
    const k256 = newKeys('secp256k1');
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const ed25519 = generateKeyPairSync('ed25519');
    await rejection(forgeRequest(p384.publicKey, p384.privateKey));
    await rejection(forgeRequest(k256.publicKey, k256.privateKey));
    await rejection(forgeRequest(rsa.publicKey, newKeys().privateKey));
    await rejection(forgeRequest(ed25519.publicKey, newKeys().privateKey));
  });

  it('is refused for a point that is not on the curve', async () => {
    const { publicKey, privateKey } = newKeys();
    const csrPem = forgeRequest(publicKey, privateKey);
    const der = Buffer.from(csrPem.replaceAll(/-----.*-----|\n/g, ''), 'base64');
    const at = der.indexOf(hex('03420004')) + 4;
    der.writeUInt8((der[at + 63] ?? 0) ^ 1, at + 63);
    await rejection(encodePem(der, 'CERTIFICATE REQUEST'));
  });

  it('is refused with another algorithm than it says, or one that is not ours', async () => {
    const { publicKey, privateKey } = newKeys();
    await rejection(forgeRequest(publicKey, privateKey, { digest: 'sha1' }));
    await rejection(
      forgeRequest(publicKey, privateKey, { digest: 'sha384', algorithm: hex('300a06082a8648ce3d040303') }),
    );
  });

  it('is refused with bytes after its end, text round it, another label or a second one', async () => {
    const { publicKey, privateKey } = newKeys();
    const good = forgeRequest(publicKey, privateKey);
    await rejection(forgeRequest(publicKey, privateKey, { tail: Buffer.from([0]) }));
    await rejection(`x\n${good}`);
    await rejection(good + good);
    await rejection(good.replaceAll('CERTIFICATE REQUEST', 'NEW CERTIFICATE REQUEST'));
    await rejection(good.replaceAll('CERTIFICATE REQUEST', 'CERTIFICATE'));
    await rejection('');
    await expect(parseRequest(good.replaceAll('\n', '\r\n'))).resolves.toMatchObject({});
  });

  it('is refused unread when it is large', async () => {
    const { publicKey, privateKey } = newKeys();
    const subject = encodeDer(derTag.sequence, Buffer.alloc(maxRequestBytes));
    await expect(parseRequest(forgeRequest(publicKey, privateKey, { subject }))).rejects.toThrow('too large');
  });

  it('never passes with one octet changed', async () => {
    const { csrPem } = await createKeyAndRequest();
    const der = Buffer.from(csrPem.replaceAll(/-----.*-----|\n/g, ''), 'base64');
    await fc.assert(
      fc.asyncProperty(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
        const changed = Buffer.from(der);
        changed.writeUInt8((der[at] ?? 0) ^ change, at);
        await rejection(encodePem(changed, 'CERTIFICATE REQUEST'));
      }),
      { numRuns: 400 },
    );
  });

  it('made of anything at all is refused by its own error', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        await rejection(encodePem(bytes, 'CERTIFICATE REQUEST'));
      }),
    );
  });
});
