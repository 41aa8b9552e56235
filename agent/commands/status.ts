import type { Command } from 'commander';
import { Option } from 'commander';
import { AgentError } from '../agent-error.ts';
import { findLockHolder } from '../state/lock.ts';
import { checkStateDirectory } from '../state/state-directory.ts';
import { AgentStatus } from '../status.ts';
import { statusRows } from '../status-rows.ts';
import { askAgent } from './ask-agent.ts';
import { enterState, stateOption } from './command-context.ts';
import type { CommandContext } from './command-context.ts';

/** The agent's own probes end before this. */
const limitMs = 20_000;

/** `postern-agent status`: 0 when flows pass, 1 when they do not or no agent runs, 3 when nothing can be reached. */
export function addStatusCommand(program: Command, context: CommandContext): void {
  program
    .command('status')
    .description('how it is, from a probe through the real path')
    .option(...stateOption)
    .addOption(new Option('-o, --output <format>').choices(['table', 'json']).default('table'))
    .addHelpText('after', '\nExamples:\n  postern-agent status\n  postern-agent status -o json')
    .action(async (options: { readonly state?: string; readonly output: 'table' | 'json' }) => {
      const paths = checkStateDirectory(enterState(context, options.state));
      const holder = findLockHolder(paths.lock);
      if (holder === undefined || holder.port === 0) {
        if (options.output === 'json') context.print(JSON.stringify({ state: 'not-running' }));
        throw new AgentError(1, 'agent-not-running');
      }
      const status = await askAgent(context, holder, '/status', AgentStatus, limitMs);
      if (options.output === 'json') context.print(JSON.stringify(status, undefined, 2));
      else for (const line of table(statusRows(status, context.language))) context.print(line);
      context.exit(exitCodeOf(status));
    });
}

const exitCodeOf = ({ state, probe }: AgentStatus): 0 | 1 | 3 => {
  if (state === 'connected') return 0;
  return probe.gateway.code === undefined && probe.control.code === undefined ? 3 : 1;
};

function table(rows: readonly [string, string][]): string[] {
  const width = Math.max(...rows.map(([label]) => label.length));
  return rows.map(([label, text]) => `${label.padEnd(width)}  ${text}`);
}
