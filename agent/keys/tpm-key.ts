import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { derTag, readChildren, readDocument } from '../../certs/der.ts';
import { decodePem } from '../../certs/pem.ts';

const label = 'TSS2 PRIVATE KEY';

/** Whether the PEM of a key is what a TPM gave out of it: wrapped for that TPM alone, and of no use anywhere else. */
export const isTpmKey = (pem: string): boolean => pem.startsWith(`-----BEGIN ${label}-----`);

/** 2.23.133.10.1.3, a key that its TPM can load (draft-woodhouse-cert-best-practice, section 3.1). */
const loadableKey = Buffer.from('6781050a0103', 'hex');
// Part 2 of the TPM 2.0 library: TPM_ALG_ID, TPM_ECC_CURVE, and bits of TPMA_OBJECT.
const algorithm = { ecc: 0x0023, none: 0x0010 } as const;
const p256 = 0x0003;
/** fixedTPM, fixedParent, sensitiveDataOrigin, sign: made in the TPM, never to leave it, and for signatures. */
const bornAndKept = 0x2 | 0x10 | 0x20 | 0x40000;

/**
 * The public half of a P-256 key of a TPM, read without the TPM.
 * @throws where it is no such key, or one that may leave its TPM or was made outside.
 */
export function tpmPublicKey(pem: string): KeyObject {
  const der = decodePem(pem, label);
  if (der === undefined) throw new Error('not the PEM of a key in a TPM');
  const children = readChildren(der, readDocument(der));
  const [type] = children;
  const [publicPart, wrapped] = children.slice(-2);
  const isLoadable = type !== undefined && der.subarray(type.content, type.end).equals(loadableKey);
  if (!isLoadable || publicPart?.tag !== derTag.octetString || wrapped?.tag !== derTag.octetString)
    throw new Error('not a key that a TPM can load');
  return readPublicArea(der.subarray(publicPart.content, publicPart.end));
}

/** TPM2B_PUBLIC. What is cut short throws as a read beyond the end. */
function readPublicArea(bytes: Buffer): KeyObject {
  let at = 0;
  const word = (): number => bytes.readUInt16BE((at += 2) - 2);
  const sized = (): Buffer => {
    const length = word();
    if (at + length > bytes.length) throw new Error('key of a TPM is cut short');
    return bytes.subarray(at, (at += length));
  };
  if (word() !== bytes.length - 2) throw new Error('key of a TPM has another length than it says');
  const type = word();
  // The algorithm of its name.
  word();
  const attributes = bytes.readUInt32BE((at += 4) - 4);
  // The policy of its use.
  sized();
  const [symmetric, scheme, curve, derivation] = [word(), word(), word(), word()];
  if (type !== algorithm.ecc || curve !== p256) throw new Error('key of a TPM is not P-256');
  if ([symmetric, scheme, derivation].some((one) => one !== algorithm.none))
    throw new Error('key of a TPM is bound to an algorithm');
  if ((attributes & bornAndKept) !== bornAndKept)
    throw new Error('key may leave its TPM, or came from outside');
  const coordinate = (): string =>
    Buffer.concat([Buffer.alloc(32), sized()])
      .subarray(-32)
      .toString('base64url');
  const [x, y] = [coordinate(), coordinate()];
  return createPublicKey({ key: { kty: 'EC', crv: 'P-256', x, y }, format: 'jwk' });
}
