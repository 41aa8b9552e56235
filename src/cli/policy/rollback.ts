import type { Command } from 'commander';
import { ApplyResponse } from '../../contract/control-api.ts';
import { addConnection, connectApi } from '../api-client.ts';
import type { ConnectionOptions } from '../api-client.ts';
import { addOutput, printable, printData } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';
import { planLines } from '../plan-lines.ts';

interface RollbackOptions extends ConnectionOptions {
  readonly dryRun?: true;
  readonly output: OutputFormat;
}

export function registerPolicyRollback(group: Command): void {
  const command = group
    .command('rollback')
    .description('put the policies back to those of a version, as a new version')
    .argument('<version>', 'SEQ or SEQ-HASH8, as policy history lists them')
    .option('--dry-run', 'print the plan and change nothing');
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
Policies alone go back: apps, groups, devices and revocations stay as they are. The policies of then are checked against
the apps and groups of now; what does not fit is named, and nothing is changed.

Examples:
  postern policy rollback 1201-0f3a99c2 --dry-run
  postern policy rollback 1201-0f3a99c2`,
    )
    .action(async (version: string, options: RollbackOptions) => {
      const api = await connectApi(options);
      const path = `/v1/versions/${encodeURIComponent(version)}/rollback`;
      const answer = await api.call('POST', path, ApplyResponse, { dryRun: options.dryRun === true });
      const changes = answer.changes.filter(({ action }) => action !== 'unchanged');
      printData(options.output, answer, () => planLines({ ...answer, changes }));
      for (const warning of answer.warnings) process.stderr.write(`warning: ${printable(warning)}\n`);
    });
}
