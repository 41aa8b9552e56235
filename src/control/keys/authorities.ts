import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AuthorityCertificate } from '../../../certs/authority.ts';
import { readPrivateKeyFile } from '../../../certs/key-file.ts';
import { dataDirectory } from '../../contract/data-directory.ts';
import { DataDirectoryError } from '../store/open-data-directory.ts';

/** The authorities that a running control plane signs with. The root's key is not among them: it is offline. */
export interface RunningAuthorities {
  readonly rootPem: string;
  readonly device: AuthorityCertificate;
  readonly service: AuthorityCertificate;
  /** Where the settings have `managedDevices`. */
  readonly managed: AuthorityCertificate | undefined;
}

/**
 * @param hasManaged whether the settings have `managedDevices`, for which `postern managed-devices init` made an authority.
 * @throws KeyFileError for a key that is missing, readable by others, or not opened by the passphrase.
 */
export async function loadAuthorities(
  directory: string,
  passphrase: string | undefined,
  hasManaged: boolean,
): Promise<RunningAuthorities> {
  const certificate = (path: string): Promise<string> => readFile(join(directory, path), 'utf8');
  const key = (path: string): Promise<string> => readPrivateKeyFile(join(directory, path), passphrase);
  if (hasManaged && !existsSync(join(directory, dataDirectory.managedAuthorityCertificate)))
    throw new DataDirectoryError(
      'the settings have `managedDevices` and there is no authority for them; run `postern managed-devices init`',
    );
  const authority = async (certificatePath: string, keyPath: string): Promise<AuthorityCertificate> => ({
    certificatePem: await certificate(certificatePath),
    privateKeyPem: await key(keyPath),
  });
  return {
    rootPem: await certificate(dataDirectory.rootCertificate),
    device: await authority(dataDirectory.deviceAuthorityCertificate, dataDirectory.deviceAuthorityKey),
    service: await authority(dataDirectory.serviceAuthorityCertificate, dataDirectory.serviceAuthorityKey),
    managed: hasManaged
      ? await authority(dataDirectory.managedAuthorityCertificate, dataDirectory.managedAuthorityKey)
      : undefined,
  };
}
