import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import { finalStates, isFinal, isManagedDevice } from '../domain/device.ts';
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
  /** The certificate before had expired, and quarantine came with the new one. */
  readonly isLate: boolean;
}

export interface RenewalRequest {
  /** What the connection presented and proved, and `identifyDevice` accepted. */
  readonly certificate: VerifiedCertificate;
  /** Of that certificate. */
  readonly publicKey: KeyObject;
  /** Whether the authority of managed devices issues what is asked for. */
  readonly isManaged: boolean;
  /** For how long after its end a certificate may be renewed. */
  readonly graceSeconds: number;
  /** Users can sign in, so one who does ends the quarantine of a late renewal; otherwise a person has to. */
  readonly hasSignIn: boolean;
  /** Epoch seconds. */
  readonly now: number;
}

/**
 * How many certificates of one device may be in force at once. Two is the normal case; an answer that was lost on the
 * way makes one more. Without a bound, one laptop in a loop would grow the state of every gateway.
 */
export const maxLiveCertificates = 6;

/**
 * The device, if this certificate may be renewed: any that the ledger knows and that is in force, or was until a while
 * ago, because the answer to an earlier renewal may have been lost. Quarantine does not end by it, nothing revoked
 * comes back, and no device leaves its authority for the other.
 */
export function checkRenewal(
  state: ControlState,
  { certificate: presented, isManaged, graceSeconds, now }: RenewalRequest,
): { readonly device: Device; readonly isLate: boolean } | Refusal {
  const device = state.devices.get(presented.device);
  if (device === undefined) return refuse('device-unknown', presented.device);
  if (isFinal(device)) return refuse(finalStates[device.state], `${device.id} is ${device.state}`);
  if (isManagedDevice(device) !== isManaged)
    return refuse('renewal-elsewhere', `${device.id} is ${isManaged ? 'not ' : ''}under a device management`);
  const issued = device.certificates.find((certificate) => certificate.thumbprint === presented.thumbprint);
  if (issued === undefined) return refuse('certificate-unknown', `${presented.serial} of ${device.id}`);
  if (now > issued.notAfter + graceSeconds)
    return refuse('renewal-too-late', `${device.id} was valid until ${issued.notAfter}`);
  const live = device.certificates.filter((certificate) => certificate.notAfter >= now).length;
  if (live >= maxLiveCertificates)
    return refuse('rate-limited', `${live} certificates of ${device.id} in force`);
  return { device, isLate: now > issued.notAfter };
}

/** The renewal as a decision over the state: whatever happened to the device since it asked counts. */
export function decideRenewal(
  state: ControlState,
  request: RenewalRequest,
  renewed: SignedCertificate,
): Change<RenewedCertificate> | Refusal {
  const checked = checkRenewal(state, request);
  if ('code' in checked) return checked;
  const { device, isLate } = checked;
  return {
    events: [
      {
        type: 'device-certificate-renewed',
        device: device.id,
        certificate: renewed.issued,
        ...(isLate ? { late: true } : {}),
        // Nobody signs in on any other kind of device.
        ...(isLate && request.hasSignIn && device.role === 'laptop' ? { awaits: 'sign-in' } : {}),
      },
    ],
    value: { certificateChainPem: renewed.chainPem, notAfter: renewed.issued.notAfter, isLate },
  };
}

/**
 * Renews the certificate of a device over mTLS. While it is in force the request may bring a new key. A late one is for
 * the old key alone, which the handshake proved: what comes back is worth nothing to whoever else gets hold of it.
 */
export async function renew(
  store: ControlStore,
  signer: CertificateSigner,
  request: RenewalRequest & { readonly csrPem: string },
): Promise<RenewedCertificate | Refusal> {
  const checked = checkRenewal(store.state, request);
  if ('code' in checked) return checked;
  const { device, isLate } = checked;
  const publicKeyPem = await readPublicKey(request.csrPem);
  if (typeof publicKeyPem !== 'string') return publicKeyPem;
  if (isLate && !createPublicKey(publicKeyPem).equals(request.publicKey))
    return refuse('renewal-key-differs', device.id);
  const { role } = device;
  const renewed = await signer.signDevice({ device: device.id, role, publicKeyPem, now: request.now });
  return store.commit(`device:${device.id}`, (state) => decideRenewal(state, request, renewed));
}
