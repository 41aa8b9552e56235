import type { KeyObject } from 'node:crypto';
import type { Refusal } from '../contract/refusals.ts';
import type { VerifiedCertificate } from '../domain/subject.ts';
import type { CertificateSigner } from './certificate-signer.ts';
import type { ControlStore } from './control-store.ts';
import { newDeviceId } from './device-id.ts';
import { decideEnrollment } from './enroll.ts';
import type { EnrolledDevice } from './enroll.ts';
import { checkEnrollmentToken } from './enrollment-token.ts';
import { checkRenewal, decideRenewal } from './renew.ts';
import type { RenewedCertificate } from './renew.ts';

/** What both requests of SCEP bring: a public key, whose owner the caller has proven, and when. Epoch seconds. */
interface ProvenKey {
  readonly publicKeyPem: string;
  readonly now: number;
}

/** Enrolls a device under a device management with a one-time challenge, as `enroll` does others with a token. */
export async function enrollByScep(
  store: ControlStore,
  signer: CertificateSigner,
  request: ProvenKey & { readonly challenge: string },
): Promise<EnrolledDevice | Refusal> {
  const { challenge: token, publicKeyPem, now } = request;
  const checked = checkEnrollmentToken(store.state, token, now, 'scep');
  if ('code' in checked) return checked;
  const device = newDeviceId();
  const certificate = await signer.signDevice({ device, role: checked.role, publicKeyPem, now });
  return store.commit(`device:${device}`, (state) =>
    decideEnrollment(state, { token, device, now, protocol: 'scep' }, certificate),
  );
}

/**
 * Renews the certificate of such a device, for its key or a new one. The message was signed by the key of `certificate`,
 * which `identifyDevice` accepted. There is no grace: after its end it takes a new challenge.
 */
export async function renewByScep(
  store: ControlStore,
  signer: CertificateSigner,
  request: ProvenKey & { readonly certificate: VerifiedCertificate; readonly publicKey: KeyObject },
): Promise<RenewedCertificate | Refusal> {
  const renewal = { ...request, isManaged: true, graceSeconds: 0, hasSignIn: false };
  const checked = checkRenewal(store.state, renewal);
  if ('code' in checked) return checked;
  const { id, role } = checked.device;
  const { publicKeyPem, now } = request;
  const renewed = await signer.signDevice({ device: id, role, publicKeyPem, now });
  return store.commit(`device:${id}`, (state) => decideRenewal(state, renewal, renewed));
}
