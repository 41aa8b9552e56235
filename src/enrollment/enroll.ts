import { CertificateRequestError, parseRequest } from '../../certs/request.ts';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { ControlState } from '../domain/control-state.ts';
import type { DeviceId, UserName } from '../domain/ids.ts';
import type { CertificateSigner, SignedCertificate } from './certificate-signer.ts';
import type { Change, ControlStore } from './control-store.ts';
import { newDeviceId } from './device-id.ts';
import { checkEnrollmentToken } from './enrollment-token.ts';

export interface EnrolledDevice {
  readonly device: DeviceId;
  readonly user: UserName;
  /** PEM: the leaf, then the device authority. */
  readonly certificateChainPem: string;
  /** Epoch seconds. */
  readonly notAfter: number;
}

/**
 * The enrollment of a device as a decision over the state: the token is checked in the same breath as it is used up,
 * so of many who race with one token the ledger lets one through.
 */
export function decideEnrollment(
  state: ControlState,
  request: {
    readonly token: string;
    readonly device: DeviceId;
    readonly now: number;
    readonly protocol?: 'scep';
  },
  certificate: SignedCertificate,
): Change<EnrolledDevice> | Refusal {
  const token = checkEnrollmentToken(state, request.token, request.now, request.protocol);
  if ('code' in token) return token;
  const { device } = request;
  if (state.devices.has(device)) return refuse('conflict', `${device} exists`);
  return {
    events: [
      {
        type: 'device-enrolled',
        device,
        enrollmentToken: token.id,
        user: token.user,
        role: token.role,
        ...(token.network === undefined ? {} : { network: token.network }),
        certificate: certificate.issued,
        // A connector reports no posture, nor does a device management: there is nothing that they could wait for.
        ...(token.role === 'laptop' && token.protocol === undefined ? { state: 'enrolled' } : {}),
      },
    ],
    value: {
      device,
      user: token.user,
      certificateChainPem: certificate.chainPem,
      notAfter: certificate.issued.notAfter,
    },
  };
}

/**
 * Enrolls a device with a one-time token and a certificate request. The certificate is signed before the token is used
 * up, because a commit cannot wait for a signature: one that loses the race is never handed out nor known to the
 * ledger, and so worth nothing. A stranger without a token costs no signature. `now` in epoch seconds.
 */
export async function enroll(
  store: ControlStore,
  signer: CertificateSigner,
  request: { readonly token: string; readonly csrPem: string; readonly now: number },
): Promise<EnrolledDevice | Refusal> {
  const { token, csrPem, now } = request;
  const checked = checkEnrollmentToken(store.state, token, now);
  if ('code' in checked) return checked;
  const publicKeyPem = await readPublicKey(csrPem);
  if (typeof publicKeyPem !== 'string') return publicKeyPem;
  const device = newDeviceId();
  const certificate = await signer.signDevice({ device, role: checked.role, publicKeyPem, now });
  return store.commit(`device:${device}`, (state) =>
    decideEnrollment(state, { token, device, now }, certificate),
  );
}

/** The proven public key of a certificate request, or why there is none. */
export async function readPublicKey(csrPem: string): Promise<string | Refusal> {
  try {
    return (await parseRequest(csrPem)).publicKeyPem;
  } catch (error) {
    if (error instanceof CertificateRequestError) return refuse('certificate-request-invalid', error.message);
    throw error;
  }
}
