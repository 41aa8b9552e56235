import { dirname } from 'node:path';
import type { Command } from 'commander';
import type { LedgerHead } from '../domain/control-state.ts';
import { foldedHead } from '../ledger/copy-ledger.ts';
import { LedgerCorrupt, LedgerUnavailable } from '../ledger/ledger.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { openLedger } from '../control/open-ledger.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { findConfig } from './find-config.ts';
import { readSettings } from './read-settings.ts';
import { registerLedgerCopy } from './ledger-copy.ts';
import { addOutput, printData } from './output.ts';
import type { OutputFormat } from './output.ts';

interface LedgerOptions {
  readonly config?: string;
  readonly output: OutputFormat;
}

export function registerLedger(program: Command): void {
  const group = program
    .command('ledger')
    .description('the log of all lasting state: where it ends, whether it is whole, moving it to Redis');
  registerHead(group);
  registerVerify(group);
  registerLedgerCopy(group);
}

const addConfig = (command: Command): Command =>
  command.option(
    '--config <file>',
    'settings (default: postern.yaml of the data directory in the context file, or here)',
  );

/** Does work on the ledger that the settings name, and closes it; what is wrong with it becomes an exit code. */
async function withLedger<Value>(
  config: string | undefined,
  work: (ledger: Ledger) => Promise<Value>,
): Promise<Value> {
  const configFile = await findConfig(config);
  const settings = readSettings(configFile);
  try {
    const ledger = openLedger(settings, configFile);
    try {
      return await work(ledger);
    } finally {
      await ledger.close();
    }
  } catch (error) {
    if (error instanceof LedgerCorrupt)
      throw new CliError(exitCodes.no, `${error.message} (settings in ${dirname(configFile)})`);
    if (error instanceof LedgerUnavailable) throw new CliError(exitCodes.unreachable, error.message);
    throw error;
  }
}

const headLines = ({ sequence, hash }: LedgerHead): string[] => [`${sequence}  ${hash}`];

function registerHead(group: Command): void {
  const command = group
    .command('head')
    .description('print the number and hash of the last entry: two equal heads are equal ledgers');
  addConfig(addOutput(command))
    .addHelpText(
      'after',
      `
Note it somewhere else, and nobody can cut off the end of the ledger without your noticing.

Examples:
  postern ledger head
  postern ledger head --config /var/lib/postern/postern.yaml -o json`,
    )
    .action(async ({ config, output }: LedgerOptions) => {
      const head = await withLedger(config, (ledger) => ledger.head());
      printData(output, head, () => headLines(head));
    });
}

function registerVerify(group: Command): void {
  const command = group
    .command('verify')
    .description('read the ledger from its first entry, and prove that it is whole; exits 1 when it is not');
  addConfig(addOutput(command))
    .addHelpText(
      'after',
      `
Each entry carries the hash of the one before. It can run while servers write.

Example:
  postern ledger verify --config /var/lib/postern/postern.yaml`,
    )
    .action(async ({ config, output }: LedgerOptions) => {
      const head = await withLedger(config, foldedHead);
      printData(output, head, () => [`Whole: ${head.sequence} entries, the last with hash ${head.hash}.`]);
    });
}
