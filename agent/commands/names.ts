import type { Command } from 'commander';
import { AgentError, describeError } from '../agent-error.ts';
import { carryOut } from '../names/carry-out.ts';
import { planNames } from '../names/lead-names.ts';
import { readRequest } from '../names/read-request.ts';
import { serviceStateDirectory, statePaths } from '../state/state-directory.ts';

const nothing = { version: 1 as const, resolver: '127.64.0.1:53', hosts: [] };

/**
 * `postern-agent names`: leads names of applications to the agent's resolver, as root; the agent itself has no privilege.
 * It takes no input from users: its caller, a service manager, says where the agent's request lies, and that can only say
 * which names lead to which loopback addresses.
 */
export function addNamesCommand(program: Command): void {
  const names = program
    .command('names')
    .description(
      'for the service manager, as root: lead names of applications to the agent (intercept: loopback)',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  postern-agent names apply   whenever names.json of the agent changed, which it also does when the agent ends\n' +
        '  postern-agent names undo    before the agent is removed',
    );
  names
    .command('apply')
    .description("do what the agent's request says; undo everything where there is none")
    .option('--state <dir>', 'state directory of the agent', serviceStateDirectory)
    .action(({ state }: { readonly state: string }) => lead(() => readRequest(statePaths(state).names)));
  names
    .command('undo')
    .description('undo everything')
    .action(() => lead(() => undefined));
}

async function lead(request: () => ReturnType<typeof readRequest>): Promise<void> {
  try {
    await carryOut(planNames(process.platform, request() ?? nothing));
  } catch (error) {
    throw new AgentError(1, 'names-not-led', { reason: describeError(error) }, error);
  }
}
