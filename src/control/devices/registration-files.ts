import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readPrivateKeyFile, writePrivateKeyFile } from '../../../certs/key-file.ts';
import type { MessageSigner } from '../../../certs/scep/message.ts';
import type { RegistrationAuthority } from '../../../certs/scep/registration-authority.ts';
import { normalizeSerial } from '../../../certs/serial.ts';
import { dataDirectory } from '../../contract/data-directory.ts';
import { replaceFile } from '../../ledger/durable-file.ts';
import { DataDirectoryError } from '../store/open-data-directory.ts';

/** A registration authority of SCEP that is kept in files, ready to speak with. */
export interface KeptRegistration extends MessageSigner, RegistrationAuthority {
  /** Epoch seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** The registration authorities of this server: a key and a certificate each, named by its serial number. */
export interface RegistrationFiles {
  /** @throws KeyFileError, DataDirectoryError for one that another authority signed, or whose key is another. */
  list(): Promise<KeptRegistration[]>;
  add(made: RegistrationAuthority): Promise<KeptRegistration>;
  delete(kept: KeptRegistration): Promise<void>;
}

const nameOf = (certificate: X509Certificate): string => normalizeSerial(certificate.serialNumber);
const seconds = (date: string): number => Math.floor(Date.parse(date) / 1000);

/** @param authorityPem of managed devices, which signs them. */
export function openRegistrationFiles(
  directory: string,
  passphrase: string | undefined,
  authorityPem: string,
): RegistrationFiles {
  const issuer = new X509Certificate(authorityPem);
  const certificates = join(directory, dataDirectory.scepCertificates);
  const keys = join(directory, dataDirectory.scepKeys);
  const keyOf = (name: string): string => join(keys, `${name}.key`);
  const certificateOf = (name: string): string => join(certificates, `${name}.crt`);
  const namesIn = async (folder: string, ending: string): Promise<string[]> => {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return (await readdir(folder))
      .filter((file) => file.endsWith(ending))
      .map((file) => file.slice(0, -ending.length));
  };
  const load = ({ privateKeyPem, certificatePem }: RegistrationAuthority, from: string): KeptRegistration => {
    const certificate = new X509Certificate(certificatePem);
    const privateKey = createPrivateKey(privateKeyPem);
    const isOurs = certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey);
    if (!isOurs || !certificate.checkPrivateKey(privateKey))
      throw new DataDirectoryError(
        `${from} is not of its key and the authority of managed devices; remove both and start again`,
      );
    const validity = { notBefore: seconds(certificate.validFrom), notAfter: seconds(certificate.validTo) };
    return { certificate, privateKey, certificatePem, privateKeyPem, ...validity };
  };

  return {
    async list() {
      const found = await namesIn(certificates, '.crt');
      // A key is written before its certificate and removed after it, so this one was begun or is done with.
      for (const name of await namesIn(keys, '.key'))
        if (!found.includes(name)) await rm(keyOf(name), { force: true });
      return Promise.all(
        found.map(async (name) => {
          const certificatePem = await readFile(certificateOf(name), 'utf8');
          const privateKeyPem = await readPrivateKeyFile(keyOf(name), passphrase);
          return load({ certificatePem, privateKeyPem }, certificateOf(name));
        }),
      );
    },
    async add(made) {
      const kept = load(made, 'what was made or received');
      const name = nameOf(kept.certificate);
      await writePrivateKeyFile(keyOf(name), kept.privateKeyPem, passphrase);
      await mkdir(certificates, { recursive: true, mode: 0o700 });
      replaceFile(certificateOf(name), Buffer.from(kept.certificatePem));
      return kept;
    },
    async delete({ certificate }) {
      await rm(certificateOf(nameOf(certificate)), { force: true });
      await rm(keyOf(nameOf(certificate)), { force: true });
    },
  };
}
