import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { ResourceVersions } from '../../contract/versions.ts';
import { addConnection, connectApi } from '../api-client.ts';
import type { ConnectionOptions } from '../api-client.ts';
import { addOutput, formatTime, printData, tableLines } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';

interface HistoryOptions extends ConnectionOptions {
  readonly limit: number;
  readonly before?: number;
  readonly output: OutputFormat;
}

export function registerPolicyHistory(group: Command): void {
  const command = group
    .command('history')
    .description('who changed which policies, groups, apps and networks, when, and the version it made')
    .option('--limit <n>', 'how many, 1 to 999', parseCount, 20)
    .option(
      '--before <sequence>',
      'only versions before this one: the number that a version begins with',
      parseCount,
    );
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
The newest first. Every version can be compared (policy diff) and gone back to (policy rollback).

Examples:
  postern policy history
  postern policy history --limit 100 --before 1234 -o json`,
    )
    .action(async (options: HistoryOptions) => {
      const api = await connectApi(options);
      const query = new URLSearchParams({ limit: String(Math.min(options.limit, 999)) });
      if (options.before !== undefined) query.set('before', String(options.before));
      const { versions } = await api.call('GET', `/v1/versions?${query.toString()}`, ResourceVersions);
      printData(options.output, versions, () =>
        tableLines(
          ['VERSION', 'WHEN', 'WHO', 'WHAT'],
          versions.map(({ version, at, actor, proposedBy, changes, changeCount }) => [
            version,
            formatTime(at),
            proposedBy === undefined ? actor : `${proposedBy}, approved by ${actor}`,
            describeChanges(changes, changeCount),
          ]),
        ),
      );
    });
}

const shown = 3;

/** `update policy a, delete policy b and 12 more` */
function describeChanges(changes: ResourceVersions['versions'][number]['changes'], count: number): string {
  const told = changes
    .slice(0, shown)
    .map(({ action, kind, name }) => `${action} ${kind.toLowerCase()} ${name}`);
  return `${told.join(', ')}${count > told.length ? ` and ${count - told.length} more` : ''}`;
}

function parseCount(text: string): number {
  if (!/^[1-9][0-9]{0,14}$/.test(text)) throw new InvalidArgumentError('a whole number above zero is due.');
  return Number(text);
}
