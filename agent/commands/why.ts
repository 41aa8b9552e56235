import type { Command } from 'commander';
import { Option } from 'commander';
import { AgentError } from '../agent-error.ts';
import { findLockHolder } from '../state/lock.ts';
import { checkStateDirectory } from '../state/state-directory.ts';
import { whyLines } from '../why/lines.ts';
import { WhyReport } from '../why/report.ts';
import { askAgent } from './ask-agent.ts';
import { enterState, stateOption } from './command-context.ts';
import type { CommandContext } from './command-context.ts';

/** The agent's own limits, one after the other, end before this. */
const limitMs = 45_000;

/** `postern-agent why APP`: 0 when the application can be reached, 1 when a step fails, 3 when no agent runs. */
export function addWhyCommand(program: Command, context: CommandContext): void {
  program
    .command('why')
    .description('walk the way to an application and say which step fails, and what to do')
    .argument('<app>', 'its name, its host, or its address as a browser shows it')
    .option(...stateOption)
    .addOption(new Option('-o, --output <format>').choices(['table', 'json']).default('table'))
    .addHelpText(
      'after',
      '\nExamples:\n  postern-agent why grants\n  postern-agent why https://grants.apps.example.org/\n' +
        '  postern-agent why ledger.apps.example.org:5432 -o json',
    )
    .action(async (app: string, options: { readonly state?: string; readonly output: 'table' | 'json' }) => {
      const paths = checkStateDirectory(enterState(context, options.state));
      const holder = findLockHolder(paths.lock);
      if (holder === undefined || holder.port === 0) throw new AgentError(3, 'agent-not-running');
      const path = `/why/${encodeURIComponent(app)}`;
      const report = await askAgent(context, holder, path, WhyReport, limitMs);
      if (options.output === 'json') context.print(JSON.stringify(report, undefined, 2));
      else for (const line of whyLines(report, context.language)) context.print(line);
      context.exit(report.ok ? 0 : 1);
    });
}
