import { sessionTokenLifetimeSeconds } from '../contract/session-token.ts';
import type { Device } from '../domain/device.ts';
import type { Subject, VerifiedToken } from '../domain/subject.ts';

/** Who would ask, had they just connected with the device's newest certificate and a fresh token. */
export function hypotheticalSubject(
  device: Device,
  { now, ...facts }: Pick<VerifiedToken, 'user' | 'posture' | 'claims' | 'signIn'> & { readonly now: number },
): Subject {
  const newest = device.certificates.at(-1);
  return {
    certificate: {
      device: device.id,
      serial: newest?.serial ?? '',
      thumbprint: newest?.thumbprint ?? '',
      issuer: '',
      notBefore: 0,
      notAfter: newest?.notAfter ?? 0,
    },
    token: {
      id: 'hypothetical',
      ...facts,
      device: device.id,
      issuedAt: now,
      expiresAt: now + sessionTokenLifetimeSeconds,
    },
  };
}
