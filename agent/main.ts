#!/usr/bin/env node
import process from 'node:process';
import { Command, CommanderError } from 'commander';
import { AgentError, describeError } from './agent-error.ts';
import type { ExitCode } from './agent-error.ts';
import { systemClock } from './clock.ts';
import type { CommandContext } from './commands/command-context.ts';
import { addEnrollCommand } from './commands/enroll.ts';
import { addLeaveCommand } from './commands/leave.ts';
import { addStatusCommand } from './commands/status.ts';
import { addTokenCommand } from './commands/token.ts';
import { addUpCommand } from './commands/up.ts';
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

const program = new Command('postern-agent')
  .description('The laptop side of Postern: enrolls, connects, and carries the flows of this laptop.')
  .version(agentVersion)
  .exitOverride();
for (const add of [addEnrollCommand, addUpCommand, addStatusCommand, addTokenCommand, addLeaveCommand]) {
  add(program, context);
}

try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = explain(error);
}

function explain(error: unknown): ExitCode {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof AgentError) {
    context.tell(message(context.language, error.key, error.values));
    return error.exitCode;
  }
  context.tell(describeError(error));
  return 1;
}
