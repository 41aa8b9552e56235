import type { X509Certificate } from 'node:crypto';
import { readCertificate } from './certificate-fields.ts';
import type { CertificateExtension, CertificateFields } from './certificate-fields.ts';
import { DerError, readChildren, readDocument } from './der.ts';
import { isDistributionPoint } from './distribution-point.ts';
import { isP256PublicKey } from './p256.ts';
import { backdatedSeconds, profiles } from './profiles.ts';
import { isDeviceRsaKey } from './rsa.ts';
import { parseSpiffeUri } from './spiffe.ts';
import type { SpiffeKind } from './spiffe.ts';
import { certificateThumbprint } from './thumbprint.ts';

export interface DeviceCertificate {
  readonly ok: true;
  readonly device: string;
  readonly role: SpiffeKind;
  readonly serial: string;
  readonly thumbprint: string;
  readonly issuer: string;
  readonly subject: string;
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface DeviceCertificateProblem {
  readonly ok: false;
  readonly problem: 'certificate-profile' | 'certificate-expired' | 'certificate-not-yet-valid';
  /** For the log. */
  readonly detail: string;
}

// Object identifiers and values as they stand in the DER: comparing bytes leaves nothing to read in two ways.
const oid = {
  subjectKeyIdentifier: '551d0e',
  keyUsage: '551d0f',
  subjectAltName: '551d11',
  basicConstraints: '551d13',
  distributionPoints: '551d1f',
  authorityKeyIdentifier: '551d23',
  extendedKeyUsage: '551d25',
} as const;
const known: ReadonlySet<string> = new Set(Object.values(oid));
const notAnAuthority = Buffer.from('3000', 'hex');
const digitalSignatureOnly = Buffer.from('03020780', 'hex');
const clientAuthOnly = Buffer.from('300a06082b06010505070302', 'hex');
const uriTag = 0x86;
const maxCertificateBytes = 4096;

const isExactly = (extension: CertificateExtension | undefined, value: Buffer, critical?: boolean): boolean =>
  extension !== undefined &&
  extension.value.equals(value) &&
  (critical === undefined || extension.critical === critical);

/** The one URI of a subject alternative name that holds one URI and nothing else. */
function onlyUri(extension: CertificateExtension | undefined): string | undefined {
  if (extension === undefined) return undefined;
  const [name, ...others] = readChildren(extension.value, readDocument(extension.value));
  if (name?.tag !== uriTag || others.length > 0) return undefined;
  return extension.value.toString('latin1', name.content, name.end);
}

/** The first rule of the narrow profile that is broken, or whom the certificate names. */
function profileProblem(
  fields: CertificateFields,
  domain: string,
  isManaged: boolean,
): string | { readonly kind: SpiffeKind; readonly id: string } {
  const { extensions, serialOctets } = fields;
  if (fields.version !== 3) return 'not a certificate of version 3';
  if (serialOctets.length === 0 || serialOctets.length > 20) return 'serial number of no or too many octets';
  if ((serialOctets[0] ?? 0x80) >= 0x80) return 'serial number is negative';
  if (serialOctets.every((octet) => octet === 0)) return 'serial number is zero';
  if (serialOctets[0] === 0 && (serialOctets[1] ?? 0) < 0x80) return 'serial number is not minimal';
  if (isManaged && !isDeviceRsaKey(fields.subjectPublicKeyInfo)) return 'key is not RSA of 2048 bits or more';
  if (!isManaged && !isP256PublicKey(fields.subjectPublicKeyInfo)) return 'key is not P-256';
  for (const name of extensions.keys()) if (!known.has(name)) return `extension ${name} does not belong`;
  if (!isExactly(extensions.get(oid.basicConstraints), notAnAuthority, true)) return 'not CA:FALSE';
  if (!isExactly(extensions.get(oid.keyUsage), digitalSignatureOnly, true)) return 'key usage';
  if (!isExactly(extensions.get(oid.extendedKeyUsage), clientAuthOnly))
    return 'extended key usage is not clientAuth alone';
  const points = extensions.get(oid.distributionPoints);
  if (points !== undefined && (points.critical || !isDistributionPoint(points.value)))
    return 'distribution point is not one URL';
  const uri = onlyUri(extensions.get(oid.subjectAltName));
  if (uri === undefined) return 'subject alternative name is not one URI';
  const identity = parseSpiffeUri(uri, domain);
  if (identity === undefined) return 'URI is not a device of this domain';
  const lifetime = fields.notAfter - fields.notBefore;
  if (isManaged && identity.kind !== 'device') return 'no device';
  const { lifetimeSeconds } = profiles[isManaged ? 'managed' : identity.kind];
  if (lifetime <= 0 || lifetime > lifetimeSeconds + backdatedSeconds) {
    return 'lifetime out of bounds';
  }
  return identity;
}

/**
 * Checks a certificate against our own narrow profile AFTER OpenSSL verified its chain to the device authority: OpenSSL
 * lets pass much that a device certificate may not be. It verifies no signature and trusts nothing by itself.
 */
export function checkDeviceCertificate(
  certificate: X509Certificate,
  context: {
    readonly domain: string;
    /** Epoch seconds. */
    readonly now: number;
    /** For how long after its end it is still accepted; only a renewal may ask for that. */
    readonly graceSeconds?: number;
    /** Signed by the authority of managed devices, whose keys are RSA. */
    readonly isManaged?: boolean;
  },
): DeviceCertificate | DeviceCertificateProblem {
  const der = certificate.raw;
  const problem = (detail: string): DeviceCertificateProblem => ({
    ok: false,
    problem: 'certificate-profile',
    detail,
  });
  if (der.length > maxCertificateBytes) return problem('certificate is too large');
  try {
    const fields = readCertificate(der);
    const identity = profileProblem(fields, context.domain, context.isManaged === true);
    if (typeof identity === 'string') return problem(identity);
    if (context.now < fields.notBefore) {
      return { ok: false, problem: 'certificate-not-yet-valid', detail: `valid from ${fields.notBefore}` };
    }
    if (context.now > fields.notAfter + (context.graceSeconds ?? 0)) {
      return { ok: false, problem: 'certificate-expired', detail: `valid until ${fields.notAfter}` };
    }
    return {
      ok: true,
      device: identity.id,
      role: identity.kind,
      serial: fields.serial,
      thumbprint: certificateThumbprint(der),
      issuer: oneLine(certificate.issuer),
      subject: oneLine(certificate.subject),
      notBefore: fields.notBefore,
      notAfter: fields.notAfter,
    };
  } catch (error) {
    if (error instanceof DerError) return problem(error.message);
    throw error;
  }
}

/** Node prints one attribute a line. */
const oneLine = (name: string | undefined): string => (name ?? '').replaceAll('\n', ', ');
