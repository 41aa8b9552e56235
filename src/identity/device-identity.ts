import { X509Certificate } from 'node:crypto';
import { checkDeviceCertificate } from '../../certs/device-certificate.ts';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import { finalStates, flowRoles, isFinal } from '../domain/device.ts';
import type { DeviceRole } from '../domain/device.ts';
import type { DeviceId } from '../domain/ids.ts';
import type { VerifiedCertificate } from '../domain/subject.ts';

const kindOf = {
  laptop: 'device',
  machine: 'device',
  connector: 'connector',
} as const satisfies Record<DeviceRole, string>;

export interface IdentifyOptions {
  /** Those that the listener serves. */
  readonly roles?: readonly DeviceRole[];
  /** For how long after its end a certificate is still accepted, which only a renewal may ask for. */
  readonly graceSeconds?: number;
  /** The authority of managed devices, where the listener trusts it too. Its devices have RSA keys, all others have not. */
  readonly managedAuthorityPem?: string | undefined;
}

const authorities = new Map<string, X509Certificate>();

/**
 * Whether the authority of managed devices issued it, where there is one. OpenSSL found one of the authorities that it
 * trusts; which of them, it does not say.
 */
export function isManagedCertificate(
  certificate: X509Certificate,
  authorityPem: string | undefined,
): boolean {
  if (authorityPem === undefined) return false;
  let authority = authorities.get(authorityPem);
  if (authority === undefined) authorities.set(authorityPem, (authority = new X509Certificate(authorityPem)));
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey);
}

/**
 * Whose certificate this is, AFTER OpenSSL verified its chain to the device authority. It must fit our narrow profile
 * for a role that the listener serves, be one that the ledger issued, and belong to a device that is not revoked or
 * lost. A device in quarantine is known; what it may do is for the policy to say. `now` in epoch seconds.
 */
export function identifyDevice(
  certificate: X509Certificate,
  state: Pick<ControlState, 'domain' | 'devices'>,
  now: number,
  { roles = flowRoles, graceSeconds = 0, managedAuthorityPem }: IdentifyOptions = {},
): VerifiedCertificate | Refusal {
  const isManaged = isManagedCertificate(certificate, managedAuthorityPem);
  const profile = { domain: state.domain, now, graceSeconds, isManaged };
  const checked = checkDeviceCertificate(certificate, profile);
  if (!checked.ok) return refuse(checked.problem, checked.detail);
  if (!roles.some((role) => kindOf[role] === checked.role))
    return refuse('certificate-profile', `certificate of a ${checked.role}`);
  const id = checked.device as DeviceId;
  const device = state.devices.get(id);
  if (device === undefined) return refuse('device-unknown', id);
  if (!roles.includes(device.role) || kindOf[device.role] !== checked.role)
    return refuse('certificate-profile', `${id} is enrolled as ${device.role}`);
  // A revoked device is told so also by its older certificates.
  if (isFinal(device)) return refuse(finalStates[device.state], `${id} is ${device.state}`);
  const { serial, thumbprint, issuer, notBefore, notAfter } = checked;
  const issued = device.certificates.find((known) => known.thumbprint === thumbprint);
  if (issued === undefined || (issued.managed === true) !== isManaged) {
    return refuse('certificate-unknown', `${serial} of ${id}`);
  }
  return { device: id, serial, thumbprint, issuer, notBefore, notAfter };
}
