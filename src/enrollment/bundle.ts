import { CertificateRequestError } from '../../certs/request.ts';
import { parseRsaRequest } from '../../certs/rsa-request.ts';
import { decodePem } from '../../certs/pem.ts';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { UserName } from '../domain/ids.ts';
import { findUserProblem } from '../domain/user-name.ts';
import type { CertificateSigner } from './certificate-signer.ts';
import type { ControlStore } from './control-store.ts';
import { newDeviceId } from './device-id.ts';
import type { EnrolledDevice } from './enroll.ts';

/** The proven public key of a PEM request for an RSA key, or why there is none. */
export function readRsaPublicKey(csrPem: string): string | Refusal {
  try {
    const der = decodePem(csrPem, 'CERTIFICATE REQUEST');
    if (der === undefined) return refuse('certificate-request-invalid', 'not one PEM certificate request');
    return parseRsaRequest(der);
  } catch (error) {
    if (error instanceof CertificateRequestError) return refuse('certificate-request-invalid', error.message);
    throw error;
  }
}

/**
 * Certifies a key that an administrator made for a device that cannot make its own. No token is needed: the actor is an
 * administrator, whom the event names, and the event says that the key was not made by the device. `now` in epoch seconds.
 */
export async function makeBundle(
  store: ControlStore,
  signer: CertificateSigner,
  request: { readonly actor: string; readonly user: string; readonly csrPem: string; readonly now: number },
): Promise<EnrolledDevice | Refusal> {
  const user = request.user as UserName;
  const problem = findUserProblem(user);
  if (problem !== undefined) return refuse('invalid-input', `user: ${problem}`);
  const publicKeyPem = readRsaPublicKey(request.csrPem);
  if (typeof publicKeyPem !== 'string') return publicKeyPem;
  const device = newDeviceId();
  const certificate = await signer.signDevice({ device, role: 'laptop', publicKeyPem, now: request.now });
  return store.commit(request.actor, () => ({
    events: [{ type: 'device-bundle-made', device, user, certificate: certificate.issued }],
    value: {
      device,
      user,
      certificateChainPem: certificate.chainPem,
      notAfter: certificate.issued.notAfter,
    },
  }));
}
