import { createPrivateKey, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readPrivateKeyFile, writePrivateKeyFile } from '../../certs/key-file.ts';
import type { MessageSigner } from '../../certs/scep/message.ts';
import { certifyRegistrationKey, createRegistrationKey } from '../../certs/scep/registration-authority.ts';
import type { AuthorityCertificate } from '../../certs/signer.ts';
import { dataDirectory } from '../contract/data-directory.ts';
import { replaceFile } from '../ledger/durable-file.ts';
import { DataDirectoryError } from './open-data-directory.ts';

/**
 * The key and certificate that SCEP speaks with, made at the first start that has it in its settings.
 * @throws DataDirectoryError for a certificate that is not of this key and authority.
 */
export async function openRegistrationAuthority(parts: {
  readonly directory: string;
  readonly passphrase: string | undefined;
  /** Of managed devices. */
  readonly authority: AuthorityCertificate;
  readonly domain: string;
  readonly now: Date;
}): Promise<MessageSigner> {
  const { directory, passphrase, authority } = parts;
  const keyFile = join(directory, dataDirectory.scepKey);
  const certificateFile = join(directory, dataDirectory.scepCertificate);
  if (!existsSync(keyFile)) await writePrivateKeyFile(keyFile, createRegistrationKey(), passphrase);
  const privateKeyPem = await readPrivateKeyFile(keyFile, passphrase);
  // Missing also when a start was broken off in between.
  if (!existsSync(certificateFile))
    replaceFile(
      certificateFile,
      Buffer.from(await certifyRegistrationKey(authority, { ...parts, privateKeyPem })),
    );
  const certificate = new X509Certificate(await readFile(certificateFile, 'utf8'));
  const privateKey = createPrivateKey(privateKeyPem);
  const issuer = new X509Certificate(authority.certificatePem);
  const isOurs = certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
  if (!isOurs || !certificate.checkPrivateKey(privateKey))
    throw new DataDirectoryError(
      `${certificateFile} is not of ${keyFile} and the authority of managed devices; remove both and start again`,
    );
  return { certificate, privateKey };
}
