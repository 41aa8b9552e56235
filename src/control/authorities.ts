import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuthorityCertificate } from '../../certs/authority.ts';
import { readPrivateKeyFile } from '../../certs/key-file.ts';
import { dataDirectory } from '../contract/data-directory.ts';

/** The authorities that a running control plane signs with. The root's key is not among them: it is offline. */
export interface RunningAuthorities {
  readonly rootPem: string;
  readonly device: AuthorityCertificate;
  readonly service: AuthorityCertificate;
}

/** @throws KeyFileError for a key that is missing, readable by others, or not opened by the passphrase. */
export async function loadAuthorities(directory: string, passphrase?: string): Promise<RunningAuthorities> {
  const certificate = (path: string): Promise<string> => readFile(join(directory, path), 'utf8');
  const key = (path: string): Promise<string> => readPrivateKeyFile(join(directory, path), passphrase);
  const authority = async (certificatePath: string, keyPath: string): Promise<AuthorityCertificate> => ({
    certificatePem: await certificate(certificatePath),
    privateKeyPem: await key(keyPath),
  });
  return {
    rootPem: await certificate(dataDirectory.rootCertificate),
    device: await authority(dataDirectory.deviceAuthorityCertificate, dataDirectory.deviceAuthorityKey),
    service: await authority(dataDirectory.serviceAuthorityCertificate, dataDirectory.serviceAuthorityKey),
  };
}
