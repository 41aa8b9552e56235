import { DerError, derTag, expectElement, readChildren, readDocument, readElement, readTime } from './der.ts';
import type { DerElement } from './der.ts';
import { normalizeSerial } from './serial.ts';

export interface CertificateExtension {
  readonly critical: boolean;
  readonly value: Buffer;
}

/** The fields of a certificate that our profile speaks about, read strictly (RFC 5280, section 4.1). */
export interface CertificateFields {
  readonly version: number;
  /** As it is in the DER, sign and all. */
  readonly serialOctets: Buffer;
  readonly serial: string;
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly subjectPublicKeyInfo: Buffer;
  /** By object identifier, as the hexadecimal of its DER contents. */
  readonly extensions: ReadonlyMap<string, CertificateExtension>;
}

const versionTag = 0xa0;
const extensionsTag = 0xa3;
const booleanTag = 0x01;

/** Throws DerError for a certificate that is not exactly one strict DER document. */
export function readCertificate(der: Buffer): CertificateFields {
  const [tbs, outerAlgorithm, , ...rest] = readChildren(der, readDocument(der));
  if (tbs?.tag !== derTag.sequence || outerAlgorithm === undefined || rest.length > 0) {
    throw new DerError('not the three parts of a certificate');
  }
  const fields = readChildren(der, tbs);
  const [versionField, serial, algorithm, issuer, validity, subject, key, ...optional] = fields;
  if (versionField?.tag !== versionTag) throw new DerError('a certificate of version 1');
  if (
    serial?.tag !== derTag.integer ||
    algorithm?.tag !== derTag.sequence ||
    issuer?.tag !== derTag.sequence ||
    validity?.tag !== derTag.sequence ||
    subject?.tag !== derTag.sequence ||
    key?.tag !== derTag.sequence
  ) {
    throw new DerError('fields of a certificate out of order');
  }
  // RFC 5280, section 4.1.1.2: the algorithm stands twice and must be the same.
  if (!slice(der, algorithm).equals(slice(der, outerAlgorithm))) {
    throw new DerError('two signature algorithms');
  }
  const [begin, end, ...more] = readChildren(der, validity);
  if (begin === undefined || end === undefined || more.length > 0) throw new DerError('not a validity');
  const serialOctets = der.subarray(serial.content, serial.end);
  return {
    version: readVersion(der, versionField),
    serialOctets,
    serial: normalizeSerial(serialOctets.toString('hex')),
    notBefore: readTime(der, begin),
    notAfter: readTime(der, end),
    subjectPublicKeyInfo: slice(der, key),
    extensions: readExtensions(der, optional),
  };
}

const slice = (der: Buffer, element: DerElement): Buffer => der.subarray(element.start, element.end);

function readVersion(der: Buffer, field: DerElement): number {
  const version = expectElement(der, field.content, field.end, derTag.integer);
  if (version.end !== field.end || version.end - version.content !== 1) throw new DerError('not a version');
  return (der[version.content] ?? 0) + 1;
}

function readExtensions(der: Buffer, optional: readonly DerElement[]): Map<string, CertificateExtension> {
  const extensions = new Map<string, CertificateExtension>();
  const [field, ...others] = optional;
  if (field === undefined) return extensions;
  // The unique identifiers that may stand before the extensions are of no use and are not ours.
  if (field.tag !== extensionsTag || others.length > 0) throw new DerError('fields that are not extensions');
  const list = expectElement(der, field.content, field.end, derTag.sequence);
  if (list.end !== field.end) throw new DerError('bytes after the extensions');
  for (const element of readChildren(der, list)) {
    const oid = expectElement(der, element.content, element.end, derTag.oid);
    let value = readElement(der, oid.end, element.end);
    const critical = value.tag === booleanTag;
    if (critical) {
      if (value.end - value.content !== 1 || der[value.content] !== 0xff)
        throw new DerError('not DER for true');
      value = readElement(der, value.end, element.end);
    }
    if (value.tag !== derTag.octetString || value.end !== element.end) throw new DerError('not an extension');
    const name = der.toString('hex', oid.content, oid.end);
    // One reader would take the first, another the last.
    if (extensions.has(name)) throw new DerError('an extension given twice');
    extensions.set(name, { critical, value: der.subarray(value.content, value.end) });
  }
  return extensions;
}
