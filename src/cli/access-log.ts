import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { AccessLogResponse } from '../contract/control-api.ts';
import type { AccessView } from '../contract/control-api.ts';
import { addConnection, connectApi } from './api-client.ts';
import type { ConnectionOptions } from './api-client.ts';
import { parseDuration } from './duration.ts';
import { addOutput, printData, tableLines } from './terminal/output.ts';
import type { OutputFormat } from './terminal/output.ts';

interface AccessLogOptions extends ConnectionOptions {
  readonly limit: number;
  readonly actor?: string;
  readonly since?: number;
  readonly output: OutputFormat;
}

function parseLimit(text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) throw new InvalidArgumentError('a number from 1 on');
  return Number(text);
}

export function registerAccessLog(program: Command): void {
  const command = program
    .command('access-log')
    .description('who read what about people over the API, newest first; reading it is on record too')
    .option('--limit <number>', 'at most so many', parseLimit, 100)
    .option('--actor <actor>', 'only what this one read, such as api-key:ci')
    .option('--since <duration>', 'only the last 90s, 15m, 24h, 7d', parseDuration);
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
For owners and auditors. Changes are in the ledger; \`postern flows verify\` proves that this log is whole.

Examples:
  postern access-log --since 24h
  postern access-log --actor api-key:inventory -o json`,
    )
    .action(async (options: AccessLogOptions) => {
      const api = await connectApi(options);
      const accesses: AccessView[] = [];
      let cursor: string | undefined;
      do {
        const query = new URLSearchParams({ limit: String(Math.min(1000, options.limit - accesses.length)) });
        if (options.actor !== undefined) query.set('actor', options.actor);
        if (options.since !== undefined) query.set('since', String(Date.now() - options.since * 1000));
        if (cursor !== undefined) query.set('cursor', cursor);
        const page = await api.call('GET', `/v1/access-log?${query.toString()}`, AccessLogResponse);
        accesses.push(...page.accesses);
        cursor = page.next;
      } while (cursor !== undefined && accesses.length < options.limit);
      printData(options.output, accesses, () =>
        tableLines(
          ['AT', 'WHO', 'ROLES', 'FROM', 'WHAT', 'HOW MANY'],
          accesses.map(({ at, actor, roles, address, operation, target, count }) => [
            new Date(at).toISOString(),
            actor,
            roles.join(' '),
            address,
            [operation, ...Object.entries(target).map(([name, value]) => `${name}=${value}`)].join(' '),
            String(count),
          ]),
        ),
      );
    });
}
