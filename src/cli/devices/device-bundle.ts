import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import type { Command } from 'commander';
import { MakeBundleResponse } from '../../contract/control-api.ts';
import { addConnection, connectApi } from '../api-client.ts';
import type { ConnectionOptions } from '../api-client.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { formatTime, printable, printLine } from '../terminal/output.ts';
import { readPassphrase } from '../terminal/passphrase.ts';

interface BundleOptions extends ConnectionOptions {
  readonly user: string;
  readonly out: string;
  readonly passwordFile?: string;
}

export function registerDeviceBundle(group: Command): void {
  const command = group
    .command('bundle')
    .description('make key and certificate for a device that cannot make its own, as a PKCS#12 file')
    .requiredOption('--user <user>', 'who the device is for')
    .requiredOption('--out <file>', 'where the bundle goes; it must not exist')
    .option('--password-file <file>', 'its first line is the password of the bundle; asked for without it');
  addConnection(command)
    .addHelpText(
      'after',
      `
The key is made here and goes to nobody but into the file. The server must have
\`managedDevices: true\` in its settings.

Examples:
  postern device bundle --user alice@example.org --out alice-phone.p12
  postern device bundle --user alice@example.org --out alice-phone.p12 --password-file ./password`,
    )
    .action(async ({ user, out, passwordFile, ...connection }: BundleOptions) => {
      const password =
        (passwordFile === undefined ? undefined : await readPassphrase(passwordFile)) ?? (await ask());
      if (password.length < 8)
        throw new CliError(exitCodes.invalid, 'a password of 8 characters or more, please');
      const api = await connectApi(connection);
      const { createRsaKeyAndRequest } = await import('../../../certs/rsa-request.ts');
      const { buildPkcs12 } = await import('../../../certs/pkcs12.ts');
      // Before anything is certified, so that no certificate is made for a key that cannot be kept.
      const file = await open(out, 'wx', 0o600).catch((error: unknown) => {
        throw new CliError(exitCodes.invalid, `${out} cannot be written: ${(error as Error).message}`);
      });
      try {
        const { privateKeyPem, csrPem } = await createRsaKeyAndRequest();
        const made = await api.call('POST', '/v1/device-bundles', MakeBundleResponse, { user, csr: csrPem });
        const content = { privateKeyPem, chainPem: made.certificate, password, friendlyName: made.device };
        await file.writeFile(buildPkcs12(content));
        await file.sync();
        printLine(
          printable(
            `Wrote ${out}: device ${made.device} of ${made.user}, until ${formatTime(made.notAfter)}.`,
          ),
        );
      } catch (error) {
        await (await import('node:fs/promises')).rm(out, { force: true });
        throw error;
      } finally {
        await file.close();
      }
    });
}

/** From the terminal, without showing it; from a pipe, its first line. */
async function ask(): Promise<string> {
  const isTerminal = process.stdin.isTTY;
  if (isTerminal) process.stderr.write('Password of the bundle: ');
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: isTerminal });
  for await (const line of lines) {
    if (isTerminal) process.stderr.write('\n');
    lines.close();
    return line;
  }
  throw new CliError(exitCodes.invalid, 'no password was given');
}
