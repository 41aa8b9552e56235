import { Command, CommanderError } from 'commander';
import packageFile from '../../package.json' with { type: 'json' };
import { CliError, exitCodes } from './cli-error.ts';

/** A command's module: adds itself to the program. */
export type Register = (program: Command) => void;

/** The program without its commands. Errors are thrown, so that one place gives them their exit code. */
export function createProgram(): Command {
  return new Command('postern')
    .description('The gate between an organization’s laptops and its applications.')
    .version(packageFile.version)
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('(add --help for what it takes, with examples)')
    .addHelpText(
      'after',
      `
First steps:
  postern init --data ./data --domain example.org
  postern serve --config ./data/postern.yaml
  postern apply -f deploy/examples/two-networks.yaml
  postern enroll-token create --user alice@example.org

Exit codes: 0 done; 1 the answer is no; 2 wrong usage or invalid input, nothing changed; 3 cannot reach the server.`,
    );
}

/** Runs the command that `argv` names and leaves the exit code to the process. Never throws. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  inheritSettings(program);
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    process.exitCode = report(error);
  }
}

/** Commander gives subcommands the settings of their parent only where they are made after those. */
function inheritSettings(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inheritSettings(child);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // It has told already what was wrong; --help and --version are thrown as well.
    return error.exitCode === 0 ? exitCodes.done : exitCodes.invalid;
  }
  if (error instanceof CliError) {
    for (const problem of error.problems) process.stderr.write(`${problem}\n`);
    process.stderr.write(`postern: ${error.message}\n`);
    return error.exitCode;
  }
  const { stack = String(error) } = error as Error;
  process.stderr.write(`postern: internal error, please report it:\n${stack}\n`);
  return exitCodes.invalid;
}
