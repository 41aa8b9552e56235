import { DerError, derTag, encodeDer, expectElement, readChildren, readDocument } from '../der.ts';
import type { DerElement } from '../der.ts';

/** Tags of SET, NULL, PrintableString and the context-specific ones, beside those of `derTag`. */
export const tag = { null: 0x05, printableString: 0x13, set: 0x31, context0: 0xa0, context1: 0xa1 } as const;

export const sliceOf = (der: Buffer, element: DerElement): Buffer => der.subarray(element.start, element.end);
export const contentOf = (der: Buffer, element: DerElement): Buffer =>
  der.subarray(element.content, element.end);

/** The object identifier that a SEQUENCE such as AlgorithmIdentifier begins with, and where it ends. */
export function leadingOid(der: Buffer, sequence: DerElement): { readonly id: string; readonly end: number } {
  if (sequence.tag !== derTag.sequence) throw new DerError('not a SEQUENCE');
  const element = expectElement(der, sequence.content, sequence.end, derTag.oid);
  return { id: contentOf(der, element).toString('hex'), end: element.end };
}

/** The SEQUENCE inside a ContentInfo (RFC 5652, section 3) of this type. */
export function readContentInfo(der: Buffer, type: string): DerElement {
  const document = readDocument(der);
  const { id, end } = leadingOid(der, document);
  if (id !== type) throw new DerError('content of another type');
  const explicit = expectElement(der, end, document.end, tag.context0);
  const content = expectElement(der, explicit.content, explicit.end, derTag.sequence);
  if (content.end !== explicit.end || explicit.end !== document.end)
    throw new DerError('bytes after content');
  return content;
}

/** IssuerAndSerialNumber (RFC 5652, section 10.2.4) of a certificate, byte for byte as it has them. */
export function issuerAndSerial(certificate: Buffer): Buffer {
  const [tbs] = readChildren(certificate, readDocument(certificate));
  if (tbs?.tag !== derTag.sequence) throw new DerError('not a certificate');
  const fields = readChildren(certificate, tbs);
  // Version 1 is written by leaving the version out.
  const [serial, , issuer] = fields[0]?.tag === tag.context0 ? fields.slice(1) : fields;
  if (serial?.tag !== derTag.integer || issuer?.tag !== derTag.sequence)
    throw new DerError('not a certificate');
  return encodeDer(derTag.sequence, sliceOf(certificate, issuer), sliceOf(certificate, serial));
}

export const sequence = (...contents: readonly Uint8Array[]): Buffer =>
  encodeDer(derTag.sequence, ...contents);
export const octets = (content: Uint8Array): Buffer => encodeDer(derTag.octetString, content);
export const smallInteger = (value: number): Buffer => encodeDer(derTag.integer, Buffer.from([value]));
export const objectIdentifier = (id: string): Buffer => encodeDer(derTag.oid, Buffer.from(id, 'hex'));
/** SET OF, in the order that DER wants: of the encodings. */
export const setOf = (...members: readonly Buffer[]): Buffer =>
  encodeDer(tag.set, ...members.toSorted((a, b) => Buffer.compare(a, b)));
/** AlgorithmIdentifier with NULL for parameters, as RSA has it. */
export const algorithm = (id: string): Buffer =>
  sequence(objectIdentifier(id), encodeDer(tag.null, Buffer.alloc(0)));
export const contentInfo = (type: string, content: Buffer): Buffer =>
  sequence(objectIdentifier(type), encodeDer(tag.context0, content));
