import type { Command } from 'commander';
import { ResourcesAtVersion } from '../../contract/versions.ts';
import type { Resource } from '../../domain/resources.ts';
import { addConnection, connectApi } from '../api-client.ts';
import type { ApiClient, ConnectionOptions } from '../api-client.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { addOutput, printable, printData } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';
import { formatFileProblem, loadResources } from '../resource-files.ts';
import { compareResources, diffLines } from './resource-diff.ts';
import { applyOver, fetchResources } from './server-resources.ts';

interface DiffOptions extends ConnectionOptions {
  readonly prune?: true;
  readonly output: OutputFormat;
}

/** One side of a comparison. */
interface Side {
  readonly name: string;
  /** What a file says is laid over the other side, as `apply` would. */
  readonly isFiles: boolean;
  readonly resources: readonly Resource[];
}

export function registerPolicyDiff(group: Command): void {
  const command = group
    .command('diff')
    .description('what two versions, or a version and files, have differently; exits 1 when they differ')
    .argument('<a>', 'a version (SEQ or SEQ-HASH8), a file or directory, or `now`')
    .argument('[b]', 'the same; `now` where it is left out', 'now')
    .option('--prune', 'count what the files do not hold as deleted, as apply --prune would');
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
Policies, groups, apps and networks, each as a text diff from A to B. Versions are listed by: postern policy history

Examples:
  postern policy diff 1201-0f3a99c2                what changed since
  postern policy diff 1201 1240                    between two versions
  postern policy diff now finance.yaml             what applying the file would change
  postern policy diff now policies/ --prune        the same where the files are the whole truth`,
    )
    .action(async (first: string, second: string, options: DiffOptions) => {
      const api = await connectApi(options);
      const [a, b] = [await loadSide(api, first), await loadSide(api, second)];
      const isWhole = options.prune === true;
      const before = a.isFiles && !isWhole ? applyOver(b.resources, a.resources) : a.resources;
      const after = b.isFiles && !isWhole ? applyOver(a.resources, b.resources) : b.resources;
      const differences = compareResources(before, after);
      printData(options.output, { from: a.name, to: b.name, differences }, () =>
        differences.length === 0
          ? [`No difference between ${a.name} and ${b.name}.`]
          : diffLines(differences, a.name, b.name),
      );
      if (differences.length > 0) process.exitCode = exitCodes.no;
    });
}

const versionPattern = /^[1-9][0-9]*(-[0-9a-f]{8})?$/;

async function loadSide(api: ApiClient, text: string): Promise<Side> {
  if (text === 'now') return { name: 'now', isFiles: false, resources: await fetchResources(api) };
  if (versionPattern.test(text)) {
    const { version, resources } = await api.call('GET', `/v1/versions/${text}`, ResourcesAtVersion);
    return {
      name: version,
      isFiles: false,
      resources: resources.filter(({ kind }) => kind !== 'Administrator'),
    };
  }
  const loaded = await loadResources([text]);
  if (loaded.problems.length > 0)
    throw new CliError(
      exitCodes.invalid,
      `${printable(text)} is no version, and no file of resources`,
      loaded.problems.map(formatFileProblem).map(printable),
    );
  return { name: text, isFiles: true, resources: loaded.resources.map(({ resource }) => resource) };
}
