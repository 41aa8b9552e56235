import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { Policy, Resource } from '../domain/resources.ts';
import { checkPolicies } from '../policy/check-policies.ts';
import { cedarSchema } from '../policy/schema.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { printable, printLine } from './output.ts';
import { formatFileProblem, loadResources } from './resource-files.ts';
import type { FileProblem } from './resource-files.ts';

export function registerPolicy(program: Command): void {
  const group = program
    .command('policy')
    .description('write policies: their schema, and checks before they are applied');
  group
    .command('schema')
    .description('print the Cedar schema that policies are written against')
    .addHelpText('after', '\nExample:\n  postern policy schema > postern.cedarschema')
    .action(() => {
      process.stdout.write(cedarSchema);
    });
  group
    .command('check')
    .description('syntax, schema, names that nothing bears, and policies that can never apply')
    .argument('<file...>', 'resource files or directories (YAML, JSON), or plain .cedar files')
    .addHelpText(
      'after',
      `
Names are looked up in the files given, so give the apps and groups too; plain .cedar files are not held to names.
Exits 1 when a policy could not be applied.

Examples:
  postern policy check deploy/examples/
  postern policy check grants.cedar`,
    )
    .action(async (files: string[]) => {
      const plain = files.filter((file) => file.endsWith('.cedar'));
      const rest = files.filter((file) => !file.endsWith('.cedar'));
      const findings = [
        ...(rest.length === 0 ? [] : await checkResourceFiles(rest)),
        ...(await Promise.all(plain.map(checkCedarFile))).flat(),
      ];
      for (const { severity, text } of findings) printLine(printable(`${severity}: ${text}`));
      const errors = findings.filter(({ severity }) => severity === 'error').length;
      if (errors > 0) process.exitCode = exitCodes.no;
      else printLine(findings.length === 0 ? 'No problems found.' : 'No errors found.');
    });
}

interface Finding {
  readonly severity: 'error' | 'warning';
  readonly text: string;
}

async function checkResourceFiles(paths: readonly string[]): Promise<Finding[]> {
  const loaded = await loadResources(paths);
  const { resources: located, problems } = loaded;
  if (problems.length > 0)
    throw new CliError(
      exitCodes.invalid,
      'files that cannot be read as resources',
      problems.map(formatFileProblem).map(printable),
    );
  const resources = located.map(({ resource }) => resource);
  const namesOf = (kind: Resource['kind']): string[] =>
    resources.filter((resource) => resource.kind === kind).map(({ name }) => name);
  const context = { apps: namesOf('App'), groups: namesOf('Group'), networks: namesOf('Network') };
  const policies = resources.filter((resource): resource is Policy => resource.kind === 'Policy');
  return checkPolicies(policies, context).map(({ policy: name, severity, message, line }) => {
    const at = loaded.place({
      kind: 'Policy',
      name,
      key: 'cedar',
      message,
      ...(line === undefined ? {} : { line }),
    });
    return { severity, text: at === undefined ? `${name}: ${message}` : formatFileProblem(at) };
  });
}

/** A plain Cedar file says nothing about which apps and groups there are, so any name will do. */
async function checkCedarFile(file: string): Promise<Finding[]> {
  let cedar: string;
  try {
    cedar = await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(exitCodes.invalid, `${file} cannot be read: ${(error as Error).message}`);
  }
  const named = (type: string): string[] =>
    [...cedar.matchAll(new RegExp(`\\b${type}\\s*::\\s*"((?:[^"\\\\]|\\\\.)*)"`, 'g'))].map(
      ([, name = '']) => name,
    );
  const policy: Policy = { kind: 'Policy', name: basename(file, '.cedar'), cedar };
  const context = { apps: named('App'), groups: named('Group'), networks: named('Network') };
  return checkPolicies([policy], context).map(({ severity, message, line }) => {
    const problem: FileProblem = { file, key: '', message, ...(line === undefined ? {} : { line }) };
    return { severity, text: formatFileProblem(problem) };
  });
}
