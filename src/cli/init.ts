import { join, resolve } from 'node:path';
import type { Command } from 'commander';
import { dataDirectory } from '../contract/data-directory.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { contextPath, writeContext } from './context-file.ts';
import { initData } from './init-data.ts';
import { printLine } from './terminal/output.ts';
import { readPassphrase } from './terminal/passphrase.ts';

const domainShape =
  /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$/;

export function registerInit(program: Command): void {
  program
    .command('init')
    .description('make the authorities, keys, ledger, settings and first admin API key of a new installation')
    .requiredOption('--data <dir>', 'directory to make; it must be empty or not exist')
    .option(
      '--domain <domain>',
      'domain of the organization, the trust domain of its devices',
      'postern.internal',
    )
    .option('--passphrase-file <file>', 'encrypt the private keys with the first line of this file')
    .addHelpText(
      'after',
      `
The API key is printed once and kept, with mode 0600, in the context file (POSTERN_CONTEXT, or
~/.config/postern/context.yaml), so that the other commands need no options on this machine.

Examples:
  postern init --data /var/lib/postern --domain example.org
  postern init --data ./data                                    to try it out
  postern init --data /var/lib/postern --passphrase-file /etc/postern/passphrase`,
    )
    .action(async (options: { data: string; domain: string; passphraseFile?: string }) => {
      if (!domainShape.test(options.domain))
        throw new CliError(exitCodes.invalid, `not a domain in lower-case ASCII: ${options.domain}`);
      const directory = resolve(options.data);
      const passphrase = await readPassphrase(options.passphraseFile);
      const { apiKey, rootPem } = await initData({
        directory,
        domain: options.domain,
        passphrase,
        now: new Date(),
      });
      const context = contextPath();
      const kept = await writeContext(context, {
        server: 'https://localhost:8444',
        apiKey,
        ca: rootPem,
        data: directory,
      });
      printLine(`Made ${directory} for ${options.domain}.

Admin API key, shown this once:
  ${apiKey}
It is also in ${context} (mode 0600).${kept === undefined ? '' : `\nThe context that was there before is now ${kept}.`}

Next:
  1. Move ${join(directory, dataDirectory.rootKey)} to offline media: it is needed only to make new authorities.
  2. Look at ${join(directory, dataDirectory.settings)}: each setting is explained there.
  3. postern serve --config ${join(directory, dataDirectory.settings)}`);
    });
}
