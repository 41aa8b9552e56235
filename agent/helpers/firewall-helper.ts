#!/usr/bin/env node
import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { Command } from 'commander';
import { AgentError } from '../agent-error.ts';
import { systemClock } from '../clock.ts';
import { defaultFirewallDirectory, openFirewallFiles, readEnrollment } from '../firewall/firewall-files.ts';
import { runFirewall } from '../firewall/run-firewall.ts';
import { systemFilter } from '../firewall/system-filter.ts';
import { languageOf } from '../language.ts';
import { createLog } from '../log.ts';
import { message } from '../messages.ts';
import { publishedFirewallFile } from '../firewall/published-firewall.ts';
import { publishedFindingsFile } from '../posture/published-findings.ts';
import { agentVersion } from '../version.ts';

interface Options {
  readonly directory: string;
  readonly published: string;
}

const program = new Command('postern-firewall')
  .description(
    'The one part of postern-agent that needs root: applies the firewall that the control plane signed, and nothing else.',
  )
  .version(agentVersion)
  .option('--directory <dir>', 'what it believes and was last told, for root alone', defaultFirewallDirectory)
  .option('--published <dir>', 'where it says what it found, for everybody to read', '/run/postern')
  .addHelpText(
    'after',
    '\nExamples:\n  postern-firewall adopt /var/lib/postern-agent   once, after the laptop was enrolled\n' +
      '  postern-firewall run                            for as long as the machine runs\n' +
      '  postern-firewall remove                         takes the firewall away, and believes nobody any more',
  );

program
  .command('adopt')
  .description('believe the organization that the laptop of this state directory is enrolled with')
  .argument('<state>', 'state directory of the agent')
  .action((state: string) => {
    const trust = readEnrollment(state);
    openFirewallFiles(program.opts<Options>().directory).adopt(trust);
    process.stdout.write(`${trust.device} of ${trust.domain}\n`);
  });

program
  .command('run')
  .description('apply the firewall, keep it, and publish what only root can see of the posture')
  .action(async () => {
    const { directory, published } = program.opts<Options>();
    // Not by umask: everybody may read what is in it.
    mkdirSync(published, { recursive: true, mode: 0o755 });
    const stop = new AbortController();
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort());
    await runFirewall({
      files: openFirewallFiles(directory),
      filter: systemFilter(),
      clock: systemClock,
      log: createLog('info'),
      firewallFile: join(published, basename(publishedFirewallFile)),
      findingsFile: join(published, basename(publishedFindingsFile)),
      signal: stop.signal,
    });
  });

program
  .command('remove')
  .description('take the firewall away, and believe nobody until the next adopt')
  .action(async () => {
    openFirewallFiles(program.opts<Options>().directory).forget();
    await systemFilter().remove();
  });

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  program.parseAsync().catch((error: unknown) => {
    const text =
      error instanceof AgentError ? message(languageOf(process.env), error.key, error.values) : String(error);
    process.stderr.write(`${text}\n`);
    process.exitCode = error instanceof AgentError ? error.exitCode : 1;
  });
