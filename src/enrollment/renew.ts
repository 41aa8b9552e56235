import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import { finalStates, isFinal } from '../domain/device.ts';
import type { Device } from '../domain/device.ts';
import type { VerifiedCertificate } from '../domain/subject.ts';
import type { CertificateSigner, SignedCertificate } from './certificate-signer.ts';
import type { Change, ControlStore } from './control-store.ts';
import { readPublicKey } from './enroll.ts';

export interface RenewedCertificate {
  /** PEM: the leaf, then the device authority. */
  readonly certificateChainPem: string;
  /** Epoch seconds. */
  readonly notAfter: number;
}

/**
 * How many certificates of one device may be in force at once. Two is the normal case; an answer that was lost on the
 * way makes one more. Without a bound, one laptop in a loop would grow the state of every gateway.
 */
export const maxLiveCertificates = 6;

/**
 * The device, if this certificate may be renewed: any that the ledger knows and that is still in force, because the
 * answer to an earlier renewal may have been lost. Quarantine does not end by it, and nothing revoked comes back.
 */
export function checkRenewal(
  state: ControlState,
  presented: VerifiedCertificate,
  now: number,
): Device | Refusal {
  const device = state.devices.get(presented.device);
  if (device === undefined) return refuse('device-unknown', presented.device);
  if (isFinal(device)) return refuse(finalStates[device.state], `${device.id} is ${device.state}`);
  const issued = device.certificates.find((certificate) => certificate.thumbprint === presented.thumbprint);
  if (issued === undefined) return refuse('certificate-unknown', `${presented.serial} of ${device.id}`);
  if (now > issued.notAfter) return refuse('certificate-expired', `valid until ${issued.notAfter}`);
  const live = device.certificates.filter((certificate) => certificate.notAfter >= now).length;
  if (live >= maxLiveCertificates)
    return refuse('rate-limited', `${live} certificates of ${device.id} in force`);
  return device;
}

/** The renewal as a decision over the state: whatever happened to the device since it asked counts. */
export function decideRenewal(
  state: ControlState,
  request: { readonly certificate: VerifiedCertificate; readonly now: number },
  renewed: SignedCertificate,
): Change<RenewedCertificate> | Refusal {
  const device = checkRenewal(state, request.certificate, request.now);
  if ('code' in device) return device;
  return {
    events: [{ type: 'device-certificate-renewed', device: device.id, certificate: renewed.issued }],
    value: { certificateChainPem: renewed.chainPem, notAfter: renewed.issued.notAfter },
  };
}

/**
 * Renews the certificate of a device over mTLS. `certificate` is what the connection presented and `identifyDevice`
 * accepted; the request may bring a new key. `now` in epoch seconds.
 */
export async function renew(
  store: ControlStore,
  signer: CertificateSigner,
  request: { readonly certificate: VerifiedCertificate; readonly csrPem: string; readonly now: number },
): Promise<RenewedCertificate | Refusal> {
  const { certificate, csrPem, now } = request;
  const device = checkRenewal(store.state, certificate, now);
  if ('code' in device) return device;
  const publicKeyPem = await readPublicKey(csrPem);
  if (typeof publicKeyPem !== 'string') return publicKeyPem;
  const renewed = await signer.signDevice({ device: device.id, role: device.role, publicKeyPem, now });
  return store.commit(`device:${device.id}`, (state) => decideRenewal(state, { certificate, now }, renewed));
}
