import { mkdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import process from 'node:process';
import type { Command } from 'commander';
import { defaultFirewallDirectory, openFirewallFiles, readEnrollment } from '../firewall/firewall-files.ts';
import { publishedFirewallFile } from '../firewall/published-firewall.ts';
import { removeFirewall } from '../firewall/leave-firewall.ts';
import { runFirewall } from '../firewall/run-firewall.ts';
import { systemFilter } from '../firewall/system-filter.ts';
import { tellServiceManager } from '../firewall/tell-service-manager.ts';
import { createLog } from '../log.ts';
import { publishedFindingsFile } from '../posture/published-findings.ts';
import { serviceStateDirectory } from '../state/state-directory.ts';
import type { CommandContext } from './command-context.ts';

interface Options {
  readonly directory: string;
}

const directoryOption = [
  '--directory <dir>',
  'what it believes and was last told, for root alone',
  defaultFirewallDirectory,
] as const;
const stateOfAgent = ['--state <dir>', 'state directory of the agent', serviceStateDirectory] as const;

/**
 * `postern-agent firewall`: the part of the agent that applies the firewall which the control plane signed, as root, and
 * publishes what only root can see of the posture. It takes no input from users.
 */
export function addFirewallCommand(program: Command, context: CommandContext): void {
  const firewall = program
    .command('firewall')
    .description(
      'for the service manager, as root: apply the firewall that the control plane signed, and nothing else',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  postern-agent firewall run      for as long as the machine runs\n' +
        '  postern-agent firewall adopt    believe the enrollment that is there now, instead of an earlier one\n' +
        '  postern-agent firewall remove   take the firewall away, before the agent is removed',
    );

  firewall
    .command('run')
    .description('apply it and keep it; adopts the first enrollment it finds')
    .option(...stateOfAgent)
    .option(...directoryOption)
    .option(
      '--published <dir>',
      'where it says what it found, for everybody to read',
      dirname(publishedFirewallFile),
    )
    .action(async (options: Options & { readonly state: string; readonly published: string }) => {
      // Not by umask: everybody may read what is in it.
      mkdirSync(options.published, { recursive: true, mode: 0o755 });
      const stop = new AbortController();
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
      await runFirewall({
        files: openFirewallFiles(options.directory),
        stateDirectory: options.state,
        filter: systemFilter(),
        clock: context.clock,
        log: createLog('info'),
        firewallFile: join(options.published, basename(publishedFirewallFile)),
        findingsFile: join(options.published, basename(publishedFindingsFile)),
        onFirstLook: () => tellServiceManager(context.environment),
        signal: stop.signal,
      });
    });

  firewall
    .command('adopt')
    .description('believe the organization that the laptop is enrolled with now')
    .option(...stateOfAgent)
    .option(...directoryOption)
    .action(({ directory, state }: Options & { readonly state: string }) => {
      const trust = readEnrollment(state);
      openFirewallFiles(directory).adopt(trust);
      context.print(`${trust.device} of ${trust.domain}`);
    });

  firewall
    .command('remove')
    .description('take the firewall away; `run` puts it back where the laptop is enrolled')
    .option(...directoryOption)
    .action(({ directory }: Options) => removeFirewall(openFirewallFiles(directory), systemFilter()));
}
