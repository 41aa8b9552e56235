import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Command } from 'commander';
import type { App, Policy, Resource } from '../../domain/resources.ts';
import { checkPolicies } from '../../policy/check-policies.ts';
import type { PolicyContext } from '../../policy/check-policies.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { printable, printLine } from '../terminal/output.ts';
import { formatFileProblem, loadResources } from '../resource-files.ts';
import type { FileProblem } from '../resource-files.ts';
import { addKnownServer, applyOver, connectUnlessOffline, fetchResources } from './server-resources.ts';
import type { KnownServerOptions } from './server-resources.ts';

export function registerPolicyCheck(group: Command): void {
  const command = group
    .command('check')
    .description(
      'syntax, schema, names that nothing bears, and policies that can never apply or change nothing',
    )
    .argument('<file...>', 'resource files or directories (YAML, JSON), or plain .cedar files');
  addKnownServer(command)
    .addHelpText(
      'after',
      `
Names are looked up in the files given and, where a server is known, among its resources; policies are compared with
those of the server too. With --offline only the files count; then plain .cedar files are not held to names.
Exits 1 when a policy could not be applied; warnings alone exit 0.

Examples:
  postern policy check finance.yaml
  postern policy check deploy/examples/ --offline
  postern policy check grants.cedar`,
    )
    .action(async (files: string[], options: KnownServerOptions) => {
      const plain = files.filter((file) => file.endsWith('.cedar'));
      const rest = files.filter((file) => !file.endsWith('.cedar'));
      const loaded = rest.length === 0 ? undefined : await loadResources(rest);
      if (loaded !== undefined && loaded.problems.length > 0)
        throw new CliError(
          exitCodes.invalid,
          'files that cannot be read as resources',
          loaded.problems.map(formatFileProblem).map(printable),
        );
      const api = await connectUnlessOffline(options);
      const present = api === undefined ? undefined : await fetchResources(api);
      const written = (loaded?.resources ?? []).map(({ resource }) => resource);
      const all = applyOver(present ?? [], written);
      const findings = [
        ...(loaded === undefined ? [] : checkWritten(written, all, loaded.place)),
        ...(
          await Promise.all(
            plain.map((file) => checkCedarFile(file, present === undefined ? undefined : all)),
          )
        ).flat(),
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

const isPolicy = (resource: Resource): resource is Policy => resource.kind === 'Policy';

const contextOf = (resources: readonly Resource[]): PolicyContext => {
  const namesOf = (kind: Resource['kind']): string[] =>
    resources.filter((resource) => resource.kind === kind).map(({ name }) => name);
  const apps = resources.filter((resource): resource is App => resource.kind === 'App');
  return { apps, groups: namesOf('Group'), networks: namesOf('Network') };
};

/** What is wrong with the policies of the files, among all that there would be. */
function checkWritten(
  written: readonly Resource[],
  all: readonly Resource[],
  place: Awaited<ReturnType<typeof loadResources>>['place'],
): Finding[] {
  const asked = new Set(written.filter(isPolicy).map(({ name }) => name));
  return checkPolicies(all.filter(isPolicy), contextOf(all), asked)
    .filter(({ policy }) => asked.has(policy))
    .map(({ policy: name, severity, message, line }) => {
      const at = place({
        kind: 'Policy',
        name,
        key: 'cedar',
        message,
        ...(line === undefined ? {} : { line }),
      });
      return { severity, text: at === undefined ? `${name}: ${message}` : formatFileProblem(at) };
    });
}

/** A plain Cedar file says nothing about which apps and groups there are: without a server any name will do. */
async function checkCedarFile(file: string, present: readonly Resource[] | undefined): Promise<Finding[]> {
  let cedar: string;
  try {
    cedar = await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(exitCodes.invalid, `${file} cannot be read: ${(error as Error).message}`);
  }
  const policy: Policy = { kind: 'Policy', name: basename(file, '.cedar'), cedar };
  const others = (present ?? []).filter(isPolicy).filter(({ name }) => name !== policy.name);
  const context = present === undefined ? anyNameIn(cedar) : contextOf(present);
  return checkPolicies([...others, policy], context, new Set([policy.name]))
    .filter(({ policy: name }) => name === policy.name)
    .map(({ severity, message, line }) => {
      const problem: FileProblem = { file, key: '', message, ...(line === undefined ? {} : { line }) };
      return { severity, text: formatFileProblem(problem) };
    });
}

function anyNameIn(cedar: string): PolicyContext {
  const named = (type: string): string[] =>
    [...cedar.matchAll(new RegExp(`\\b${type}\\s*::\\s*"((?:[^"\\\\]|\\\\.)*)"`, 'g'))].map(
      ([, name = '']) => name,
    );
  const apps = named('App').map((name) => ({ name, network: '' }));
  return { apps, groups: named('Group'), networks: named('Network') };
}
