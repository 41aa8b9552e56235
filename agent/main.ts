#!/usr/bin/env node
import process from 'node:process';
import { Command, CommanderError } from 'commander';
import { AgentError, describeError } from './agent-error.ts';
import type { ExitCode } from './agent-error.ts';
import { systemClock } from './clock.ts';
import type { CommandContext } from './commands/command-context.ts';
import { languageOf } from './language.ts';
import { message } from './messages.ts';
import { agentVersion } from './version.ts';

const context: CommandContext = {
  environment: process.env,
  language: languageOf(process.env),
  clock: systemClock,
  print: (line) => process.stdout.write(`${line}\n`),
  tell: (line) => process.stderr.write(`${line}\n`),
  exit: (code) => (process.exitCode = code),
};

// A reader that has seen enough, such as `head`, closes the pipe: that is no error of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

type AddCommand = (program: Command, context: CommandContext) => void;

// Each is loaded when it is asked for; `--help` asks for all of them.
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  enroll: async () => (await import('./commands/enroll.ts')).addEnrollCommand,
  up: async () => (await import('./commands/up.ts')).addUpCommand,
  status: async () => (await import('./commands/status.ts')).addStatusCommand,
  why: async () => (await import('./commands/why.ts')).addWhyCommand,
  doctor: async () => (await import('./commands/doctor.ts')).addDoctorCommand,
  login: async () => (await import('./commands/login.ts')).addLoginCommand,
  logout: async () => (await import('./commands/logout.ts')).addLogoutCommand,
  token: async () => (await import('./commands/token.ts')).addTokenCommand,
  leave: async () => (await import('./commands/leave.ts')).addLeaveCommand,
  names: async () => (await import('./commands/names.ts')).addNamesCommand,
  firewall: async () => (await import('./commands/firewall.ts')).addFirewallCommand,
};

async function run(): Promise<void> {
  const program = new Command('postern-agent')
    .description('The laptop side of Postern: enrolls, connects, and carries the flows of this laptop.')
    .version(agentVersion)
    .exitOverride();
  const asked = process.argv[2] ?? '';
  const loaders = Object.hasOwn(commands, asked) ? [commands[asked]] : Object.values(commands);
  for (const load of loaders) (await load?.())?.(program, context);
  await program.parseAsync();
}

// No await outside a function: the single file that laptops get is a CommonJS module.
run().catch((error: unknown) => (process.exitCode = explain(error)));

function explain(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof AgentError) {
    context.tell(message(context.language, error.key, error.values));
    return error.exitCode;
  }
  context.tell(describeError(error));
  return 1;
}
