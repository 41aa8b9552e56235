import { generateKeyPairSync } from 'node:crypto';
import { createManagedAuthority } from '../../certs/managed-authority.ts';
import type { AuthorityCertificate } from '../../certs/signer.ts';
import { authoritySigner } from '../../src/enrollment/authority-signer.ts';
import type { IssuedCertificate } from '../../src/domain/device.ts';
import type { DeviceId } from '../../src/domain/ids.ts';

export const makeManagedAuthority = (
  domain = 'example.org',
  now = new Date(),
): Promise<AuthorityCertificate> => createManagedAuthority({ domain, now });

export interface ManagedDevice {
  readonly id: DeviceId;
  readonly keyPem: string;
  readonly chainPem: string;
  /** As the ledger keeps it. */
  readonly issued: IssuedCertificate;
}

/** A device with an RSA key that the authority certified, at a time in epoch seconds. */
export async function issueManagedDevice(
  authority: AuthorityCertificate,
  id = 'd-managed',
  now = Math.floor(Date.now() / 1000),
): Promise<ManagedDevice> {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const publicKeyPem = publicKey.export({ format: 'pem', type: 'spki' });
  const signer = authoritySigner(authority, 'example.org', { isManaged: true });
  const device = id as DeviceId;
  const { chainPem, issued } = await signer.signDevice({ device, role: 'laptop', publicKeyPem, now });
  return { id: device, keyPem: privateKey.export({ format: 'pem', type: 'pkcs8' }), chainPem, issued };
}
