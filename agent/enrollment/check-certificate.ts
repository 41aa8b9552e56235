import type { X509Certificate } from 'node:crypto';
import { checkDeviceCertificate } from '../../certs/device-certificate.ts';
import { certificateThumbprint } from '../../certs/thumbprint.ts';
import { publicKeyOf } from '../keys/public-key.ts';
import { parseCertificates } from './certificate-list.ts';

export interface IssuedToUs {
  readonly chainPem: string;
  readonly authorityPem: string;
  readonly keyPem: string;
  readonly device: string;
  readonly domain: string;
}

const isSignedBy = (certificate: X509Certificate, issuer: X509Certificate): boolean =>
  issuer.ca && certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);

const isValidAt = (certificate: X509Certificate, at: Date): boolean =>
  certificate.validFromDate <= at && at <= certificate.validToDate;

/**
 * Checks what the control plane issued before any of it is kept: for our key, of this device and domain, and by
 * OpenSSL's word signed by way of the device authority up to the authority that the token pinned.
 * @returns what is wrong, or undefined.
 */
export function certificateProblem(
  issued: IssuedToUs,
  pinnedFingerprint: string,
  now: Date,
): string | undefined {
  let chain: X509Certificate[];
  let authorities: X509Certificate[];
  try {
    chain = parseCertificates(issued.chainPem);
    authorities = parseCertificates(issued.authorityPem);
  } catch {
    return 'not certificates';
  }
  const [root, ...otherRoots] = authorities;
  if (root === undefined || otherRoots.length > 0) return 'not exactly one authority';
  if (certificateThumbprint(root.raw) !== pinnedFingerprint) return 'another authority than the token pins';
  const [leaf, intermediate, ...more] = chain;
  if (leaf === undefined || intermediate === undefined || more.length > 0) {
    return 'not a certificate followed by its authority';
  }
  if (!leaf.publicKey.equals(publicKeyOf(issued.keyPem))) return 'certificate of another key';
  if (!isSignedBy(root, root) || !isSignedBy(intermediate, root) || !isSignedBy(leaf, intermediate)) {
    return 'chain does not lead to the pinned authority';
  }
  if (!isValidAt(root, now) || !isValidAt(intermediate, now)) return 'an authority is not valid now';
  const checked = checkDeviceCertificate(leaf, {
    domain: issued.domain,
    now: Math.floor(now.getTime() / 1000),
  });
  if (!checked.ok) return `${checked.problem}: ${checked.detail}`;
  return checked.device === issued.device ? undefined : 'certificate of another device';
}
