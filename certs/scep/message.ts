import { randomBytes } from 'node:crypto';
import type { KeyObject, X509Certificate } from 'node:crypto';
import { toDer } from '../ber.ts';
import { DerError, derTag, encodeDer } from '../der.ts';
import { octets, tag } from './elements.ts';
import { oid } from './object-identifiers.ts';
import type { SigningHash } from './object-identifiers.ts';
import { buildSignedData, verifySignedData } from './signed-data.ts';

/** Key and certificate of the registration authority, which speaks for the authority in messages. */
export interface MessageSigner {
  readonly certificate: X509Certificate;
  readonly privateKey: KeyObject;
}

/** A pkiMessage (RFC 8894, section 3.2) that is signed by the key of the certificate that came with it. */
export interface ScepRequest {
  readonly messageType: string;
  readonly transactionId: string;
  readonly senderNonce: Buffer;
  /** Whoever made the message has its key; that it is anybody's is not said. */
  readonly signer: X509Certificate;
  readonly hash: SigningHash;
  /** DER of what is inside, still locked. */
  readonly content: () => Buffer;
  readonly signature: Buffer;
}

/** FailInfo (RFC 8894, section 3.2.1.4.5), those that are used here. */
export const failInfo = { badAlg: '0', badRequest: '2' } as const;
export type FailInfo = (typeof failInfo)[keyof typeof failInfo];

const nonceBytes = 16;
const shapes = { messageType: /^\d{1,3}$/, transactionId: /^[ -~]{1,255}$/ } as const;

/** Reads a message and verifies its signature. Throws DerError for whatever is not one, or not signed, or only in part. */
export function readRequest(message: Uint8Array): ScepRequest {
  const { content, signer, hash, attributes, signature } = verifySignedData(toDer(message));
  const text = (name: keyof typeof shapes): string => {
    const attribute = attributes.get(oid[name]);
    const value = attribute?.content.toString('latin1') ?? '';
    if (attribute?.tag !== tag.printableString || !shapes[name].test(value))
      throw new DerError(`no ${name} that is signed`);
    return value;
  };
  const nonce = attributes.get(oid.senderNonce);
  if (nonce?.tag !== derTag.octetString || nonce.content.length !== nonceBytes)
    throw new DerError('no senderNonce of 16 octets that is signed');
  return {
    messageType: text('messageType'),
    transactionId: text('transactionId'),
    senderNonce: nonce.content,
    signer,
    hash,
    content: () => toDer(content),
    signature,
  };
}

const printable = (value: string): Buffer => encodeDer(tag.printableString, Buffer.from(value, 'latin1'));

/** CertRep (RFC 8894, section 3.3.2): the envelope with the certificate, or why there is none. */
export function writeCertRep(
  signer: MessageSigner,
  request: Pick<ScepRequest, 'transactionId' | 'senderNonce' | 'hash'>,
  result: { readonly envelope: Buffer } | { readonly failure: FailInfo },
): Buffer {
  const isDone = 'envelope' in result;
  return buildSignedData({
    ...signer,
    hash: request.hash,
    content: isDone ? result.envelope : undefined,
    attributes: [
      [oid.transactionId, printable(request.transactionId)],
      [oid.messageType, printable('3')],
      [oid.pkiStatus, printable(isDone ? '0' : '2')],
      ...(isDone ? [] : [[oid.failInfo, printable(result.failure)] as const]),
      [oid.senderNonce, octets(randomBytes(nonceBytes))],
      [oid.recipientNonce, octets(request.senderNonce)],
    ],
  });
}
