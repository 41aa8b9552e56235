import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { Type } from 'typebox';
import { describeError } from '../agent-error.ts';
import { startStopwatch } from '../clock.ts';
import { askWhyOfAll } from '../doctor/ask-why.ts';
import { writeBundle } from '../doctor/bundle.ts';
import type { BundleMember } from '../doctor/bundle.ts';
import { certificateFacts, fileFacts, networkFacts, versionFacts } from '../doctor/laptop-facts.ts';
import { createScrub } from '../doctor/scrub.ts';
import { message, stateMessage } from '../messages.ts';
import { actAsOwner } from '../state/act-as-owner.ts';
import { findLockHolder } from '../state/lock.ts';
import type { LockHolder } from '../state/lock.ts';
import { checkStateDirectory } from '../state/state-directory.ts';
import type { StatePaths } from '../state/state-directory.ts';
import { AgentStatus } from '../status.ts';
import { WhyReport } from '../why/report.ts';
import { askAgent } from './ask-agent.ts';
import { stateDirectoryOf, stateOption } from './command-context.ts';
import type { CommandContext } from './command-context.ts';

const statusLimitMs = 20_000;
const whyLimitMs = 45_000;
/** All walks together: past it the bundle is made of what there is. */
const walksLimitSeconds = 90;

const json = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`;

/** `postern-agent doctor`: a bundle for the help desk, with or without a running agent. 0 when it was written. */
export function addDoctorCommand(program: Command, context: CommandContext): void {
  program
    .command('doctor')
    .description('write a bundle (tar) of what the help desk needs to know, without keys, tokens or cookies')
    .option(...stateOption)
    .option('--output <file>', 'where to; without it, in the current directory, by date')
    .addHelpText(
      'after',
      '\nExamples:\n  postern-agent doctor\n  postern-agent doctor --output /tmp/laptop.tar && tar -tf /tmp/laptop.tar',
    )
    .action(async (options: { readonly state?: string; readonly output?: string }) => {
      const directory = stateDirectoryOf(context, options.state);
      const asRootAgain = actAsOwner(directory);
      const paths = checkStateDirectory(directory);
      const now = new Date(context.clock.now());
      const stamp = now.toISOString().replace(/[-:]|\.\d+/g, '');
      const output = resolve(options.output ?? `postern-agent-${stamp}.tar`);
      const members = [...(await askRunning(context, paths)), ...lookAtLaptop(context, paths, now)];
      const names = members.map(({ name }) => name);
      const readme = {
        name: 'README.txt',
        text: `${message(context.language, 'bundle-holds')}\n\n${names.join('\n')}\n`,
      };
      const scrub = createScrub(paths);
      // Where it goes to is the asker's choice, and not in the state directory.
      asRootAgain();
      await writeBundle(output, [readme, ...members], scrub, now);
      context.print(message(context.language, 'bundle-written', { path: output }));
      for (const name of names) context.print(`  ${name}`);
      context.print(message(context.language, 'bundle-holds'));
    });
}

/** What the agent says, where one runs and answers; why not, otherwise. */
async function askRunning(context: CommandContext, paths: StatePaths): Promise<BundleMember[]> {
  const holder = findLockHolder(paths.lock);
  if (holder === undefined || holder.port === 0) {
    context.print(message(context.language, 'agent-not-running'));
    return [{ name: 'status.json', text: json({ state: 'not-running' }) }];
  }
  try {
    const status = await askAgent(context, holder, '/status', AgentStatus, statusLimitMs);
    context.print(stateMessage(context.language, status.state));
    const walks = await walkToAll(context, holder, status);
    const log = await askAgent(context, holder, '/log', Type.Array(Type.String()), statusLimitMs);
    return [
      { name: 'status.json', text: json(status) },
      ...walks,
      { name: 'log.txt', text: log.map((line) => `${line}\n`).join('') },
    ];
  } catch (error) {
    const reason = describeError(error);
    context.print(message(context.language, 'agent-not-answering', { pid: holder.pid, reason }));
    return [{ name: 'status.json', text: json({ state: 'not-answering', reason }) }];
  }
}

async function walkToAll(
  context: CommandContext,
  holder: LockHolder,
  { apps }: AgentStatus,
): Promise<BundleMember[]> {
  const elapsed = startStopwatch(context.clock);
  const names = apps.map(({ name }) => name);
  const reports = await askWhyOfAll(
    names,
    (name) => askAgent(context, holder, `/why/${encodeURIComponent(name)}`, WhyReport, whyLimitMs),
    () => elapsed() > walksLimitSeconds,
  );
  const summary = names.map((name) => {
    const report = reports.get(name);
    return { app: name, result: report === undefined ? 'not asked' : (report.failed ?? 'ok') };
  });
  return [
    { name: 'why.json', text: json(summary) },
    ...[...reports].map(([name, report]) => ({
      name: `why/${name.replace(/[^\w.-]/g, '_')}.json`,
      text: json(report),
    })),
  ];
}

function lookAtLaptop(context: CommandContext, paths: StatePaths, now: Date): BundleMember[] {
  const certificates = {
    device: certificateFacts(paths.certificate),
    authority: certificateFacts(paths.authority),
  };
  return [
    { name: 'versions.json', text: json(versionFacts()) },
    { name: 'network.json', text: json(networkFacts(context.environment, now)) },
    { name: 'certificates.json', text: json(certificates) },
    { name: 'files.json', text: json(fileFacts(paths)) },
    { name: 'agent.yaml', text: readIfThere(paths.settings) },
  ];
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    return `# ${describeError(error)}\n`;
  }
}
