import type { Command } from 'commander';
import type { LedgerHead } from '../domain/control-state.ts';
import { foldedHead } from '../ledger/copy-ledger.ts';
import { findConfig } from './find-config.ts';
import { registerLedgerCopy } from './backup/ledger-copy.ts';
import { registerLedgerRecover } from './ledger-recover.ts';
import { addOutput, printData } from './terminal/output.ts';
import type { OutputFormat } from './terminal/output.ts';
import { withLedger } from './with-ledger.ts';

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
  registerLedgerRecover(group);
}

const addConfig = (command: Command): Command =>
  command.option(
    '--config <file>',
    'settings (default: postern.yaml of the data directory in the context file, or here)',
  );

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
      const head = await withLedger(await findConfig(config), (ledger) => ledger.head());
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
      const head = await withLedger(await findConfig(config), foldedHead);
      printData(output, head, () => [`Whole: ${head.sequence} entries, the last with hash ${head.hash}.`]);
    });
}
