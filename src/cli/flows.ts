import { Option } from 'commander';
import type { Command } from 'commander';
import { tailFlows } from '../flow/tail-flows.ts';
import { addDataOption, cannotReadRecords, flowDirectory } from './flow-directory.ts';
import { describeFlow, flowTitles } from './flow-line.ts';
import { registerFlowsExport } from './flows-export.ts';
import { registerFlowsSearch } from './flows-search.ts';
import { registerFlowsPeople } from './flows-people.ts';
import { registerFlowsVerify } from './flows-verify.ts';
import { printLine } from './output.ts';

export function registerFlows(program: Command): void {
  const group = program
    .command('flows')
    .description('flow records: watch them, search them, prove that none is missing, take them elsewhere');
  registerTail(group);
  registerFlowsSearch(group);
  registerFlowsVerify(group);
  registerFlowsExport(group);
  registerFlowsPeople(group);
}

function registerTail(group: Command): void {
  const command = group
    .command('tail')
    .description('print flow records as they are written, until interrupted')
    .option('--from-start', 'also those that were written before')
    .addOption(
      new Option('-o, --output <format>', 'table, or the OCSF record a line')
        .choices(['table', 'json'])
        .default('table'),
    );
  addDataOption(command)
    .addHelpText(
      'after',
      `
Examples:
  postern flows tail
  postern flows tail --data /var/lib/postern --from-start -o json | jq 'select(.action == "Denied")'`,
    )
    .action(async (options: { data?: string; fromStart?: true; output: 'table' | 'json' }) => {
      const directory = await flowDirectory(options.data);
      const interrupted = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
      // Nobody reads any more.
      process.stdout.once('error', () => interrupted.abort());
      if (options.output === 'table') printLine(flowTitles());
      try {
        const { signal } = interrupted;
        for await (const record of tailFlows(directory, { signal, fromStart: options.fromStart === true }))
          printLine(options.output === 'json' ? JSON.stringify(record) : describeFlow(record));
      } catch (error) {
        throw cannotReadRecords(directory, error);
      }
    });
}
