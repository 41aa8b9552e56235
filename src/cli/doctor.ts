import type { Command } from 'commander';
import type { Settings } from '../contract/settings.ts';
import { loadSettings, SettingsError } from '../control/settings-file.ts';
import { checks } from '../doctor/checks.ts';
import { collectFacts } from '../doctor/facts.ts';
import type { Level } from '../doctor/finding.ts';
import { runChecks } from '../doctor/run-checks.ts';
import type { Reported } from '../doctor/run-checks.ts';
import { exitCodes } from './cli-error.ts';
import { findConfig } from './find-config.ts';
import { addOutput, printable, printData } from './terminal/output.ts';
import type { OutputFormat } from './terminal/output.ts';
import { paint } from './terminal/paint.ts';

export function registerDoctor(program: Command): void {
  const command = program
    .command('doctor')
    .description('what is wrong with this installation and how to mend it; exits 1 when something is')
    .option(
      '--config <file>',
      'settings (default: postern.yaml of the data directory in the context file, or here)',
    );
  addOutput(command)
    .addHelpText(
      'after',
      `
It changes nothing, and works with the server running or not. Run it as root, or as the user that serves: what it may not
look at it calls unknown. It asks nobody whom the settings do not name.

Examples:
  postern doctor
  postern doctor --config /var/lib/postern/postern.yaml -o json | jq '.findings[] | select(.level == "error")'`,
    )
    .action(async ({ config, output }: { config?: string; output: OutputFormat }) => {
      const findings = await examine(await findConfig(config));
      const hasErrors = findings.some(({ level }) => level === 'error');
      printData(output, { healthy: !hasErrors, findings }, () => findings.flatMap(linesOf));
      process.exitCode = hasErrors ? exitCodes.no : exitCodes.done;
    });
}

/** Settings that cannot be read are a finding as well, and the last: nothing else can be looked at without them. */
async function examine(configFile: string): Promise<Reported[]> {
  let settings: Settings;
  try {
    settings = loadSettings(configFile);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return error.problems.map((what) => ({
      check: 'settings',
      level: 'error',
      what,
      how: 'correct that line; `postern init` writes a file in which each setting is explained',
    }));
  }
  const findings = await runChecks(checks, await collectFacts(configFile, settings, Date.now()));
  return [{ check: 'settings', level: 'ok', what: configFile }, ...findings];
}

const colors = {
  ok: 'green',
  hint: 'cyan',
  unknown: 'gray',
  warning: 'yellow',
  error: 'red',
} as const satisfies Record<Level, string>;

const widest = Math.max(...checks.map(({ name }) => name.length));

function linesOf({ check, level, what, how }: Reported): string[] {
  const start = `${paint(colors[level], level.padEnd(7))}  ${check.padEnd(widest)}`;
  return [
    `${start}  ${printable(what)}`,
    ...(how === undefined ? [] : [`${' '.repeat(7 + 2 + widest)}  → ${printable(how)}`]),
  ];
}
