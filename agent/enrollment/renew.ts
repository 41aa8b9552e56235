import { renewalTime } from '../../certs/profiles.ts';
import { certificateThumbprint } from '../../certs/thumbprint.ts';
import type { DeviceApi } from '../control/device-api.ts';
import { ControlForeign } from '../control/control-client.ts';
import { createDeviceRequest } from '../keys/new-key.ts';
import type { Random } from '../session/backoff.ts';
import { buildCredentials } from '../state/credentials.ts';
import type { Credentials } from '../state/credentials.ts';
import { certificateProblem } from './check-certificate.ts';
import { parseCertificates } from './certificate-list.ts';

/** Epoch seconds from which to renew: two thirds of the life, a little earlier for some so that not all come at once. */
export function renewalDue(credentials: Credentials, random: Random): number {
  const life = credentials.notAfter - credentials.notBefore;
  return renewalTime(credentials) - random() * 0.05 * life;
}

export interface Renewed {
  readonly credentials: Credentials;
  /** The certificate before had expired: the laptop is in quarantine until a person releases it. */
  readonly isLate: boolean;
}

/**
 * Gets a new certificate for the same key over mTLS. Keeping the key leaves no moment in which key and certificate on
 * disk do not fit, and a key in a TPM cannot be made anew on each renewal. A certificate that expired does for this, for
 * as long as the control plane has patience. The answer is checked as at enrollment.
 * @throws what DeviceApi throws; ControlForeign for an answer that is of no use.
 */
export async function renewCertificate(
  api: DeviceApi,
  credentials: Credentials,
  expected: { readonly device: string; readonly domain: string },
  now: Date,
  signal?: AbortSignal,
): Promise<Renewed> {
  const answer = await api.renew(credentials, await createDeviceRequest(credentials.keyPem), signal);
  const [root] = parseCertificates(credentials.authorityPem);
  if (root === undefined) throw new TypeError('no authority');
  const issued = { ...credentials, chainPem: answer.certificate, ...expected };
  const problem = certificateProblem(issued, certificateThumbprint(root.raw), now);
  if (problem !== undefined) throw new ControlForeign(new Error(problem), { isProven: true });
  return {
    credentials: buildCredentials(credentials.keyPem, answer.certificate, credentials.authorityPem),
    isLate: answer.late === true,
  };
}
