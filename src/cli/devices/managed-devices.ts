import { X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { KeyFileError, writePrivateKeyFile } from '../../../certs/key-file.ts';
import { createManagedAuthority } from '../../../certs/managed-authority.ts';
import { dataDirectory } from '../../contract/data-directory.ts';
import {
  checkDataDirectory,
  DataDirectoryError,
  dataPathOf,
} from '../../control/store/open-data-directory.ts';
import { loadSettings, SettingsError } from '../../control/settings-file.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { printLine } from '../terminal/output.ts';
import { readPassphrase } from '../terminal/passphrase.ts';

interface InitOptions {
  readonly config: string;
  readonly passphraseFile?: string;
}

export function registerManagedDevices(program: Command): void {
  const group = program
    .command('managed-devices')
    .description('devices under a device management, with RSA keys');
  group
    .command('init')
    .description('make the RSA authority that certifies such devices')
    .option('--config <file>', 'settings of the server', 'postern.yaml')
    .option(
      '--passphrase-file <file>',
      'encrypt the keys with the first line of this file, as at `postern init`',
    )
    .addHelpText(
      'after',
      `
It is made once, in the data directory of this server. Nothing trusts it until the settings have \`managedDevices: true\`.

Examples:
  postern managed-devices init --config /var/lib/postern/postern.yaml`,
    )
    .action(initAuthority);
}

async function initAuthority({ config, passphraseFile }: InitOptions): Promise<void> {
  try {
    const settings = loadSettings(config);
    const directory = dataPathOf(config, settings.data);
    checkDataDirectory(directory);
    const at = (path: string): string => join(directory, path);
    const made = [dataDirectory.managedAuthorityCertificate, dataDirectory.managedAuthorityKey];
    const present = made.filter((path) => existsSync(at(path)));
    if (present.length > 0)
      throw new CliError(
        exitCodes.invalid,
        `${directory} has ${present.join(', ')} already; nothing was touched`,
      );
    const passphrase = await readPassphrase(passphraseFile);
    const authority = await createManagedAuthority({
      domain: settings.domain,
      now: new Date(),
    });
    await writePrivateKeyFile(at(dataDirectory.managedAuthorityKey), authority.privateKeyPem, passphrase);
    await writeCertificate(at(dataDirectory.managedAuthorityCertificate), authority.certificatePem);
    const { fingerprint256 } = new X509Certificate(authority.certificatePem);
    printLine(`Made ${at(dataDirectory.managedAuthorityCertificate)}, an RSA authority for devices of ${settings.domain}.

SHA-256 fingerprint, for the profile of the device management:
  ${fingerprint256}

Next: say \`managedDevices: true\` in ${config}, and start \`postern serve\` again.`);
  } catch (error) {
    if (error instanceof SettingsError)
      throw new CliError(exitCodes.invalid, `${config} cannot be used`, error.problems);
    if (error instanceof DataDirectoryError || error instanceof KeyFileError)
      throw new CliError(exitCodes.invalid, error.message);
    throw error;
  }
}

async function writeCertificate(path: string, pem: string): Promise<void> {
  const file = await open(path, 'wx', 0o644);
  try {
    await file.writeFile(pem);
    await file.sync();
  } finally {
    await file.close();
  }
}
