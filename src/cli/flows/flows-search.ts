import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { flowClassNames, summaryColumns } from '../../contract/flow-search.ts';
import type { FlowCount, FlowView, SummaryColumn } from '../../contract/flow-search.ts';
import type { FlowFilterWords } from '../../flow/search/flow-query.ts';
import { readFlowFilter } from '../../flow/search/flow-query.ts';
import { addConnection } from '../api-client.ts';
import type { ConnectionOptions } from '../api-client.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { parseDay } from '../day.ts';
import type { Day } from '../day.ts';
import { mostCounts, openFlowSource } from './flow-source.ts';
import type { FlowQuestion } from './flow-source.ts';
import { parseMoment } from '../moment.ts';
import { addOutput, printData, printLine, tableLines } from '../terminal/output.ts';
import type { OutputFormat } from '../terminal/output.ts';

interface SearchOptions extends FlowFilterWords, ConnectionOptions {
  readonly data?: string;
  readonly from?: string;
  readonly since?: number;
  readonly until?: number;
  readonly on?: Day;
  readonly by?: SummaryColumn[];
  readonly whole?: true;
  readonly limit: number;
  readonly output: OutputFormat;
}

export function parseClass(text: string): string {
  const named = Object.entries(flowClassNames).find(([name]) => name === text)?.[1];
  if (named === undefined && !/^[0-9]{4}$/.test(text))
    throw new InvalidArgumentError(`a number of OCSF, or ${Object.keys(flowClassNames).join(', ')}`);
  return String(named ?? text);
}

const mostRows = 999_999;

function parseLimit(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError(`a number from 1 to ${mostRows}`);
  return Number(text);
}

function parseColumns(text: string): SummaryColumn[] {
  const names = [...new Set(text.split(','))];
  const known = names.flatMap((name) => summaryColumns.find((column) => column === name) ?? []);
  if (known.length !== names.length || names.length > 4)
    throw new InvalidArgumentError(`up to four of ${summaryColumns.join(', ')}, with commas between them`);
  return known;
}

export const addFlowFilter = (command: Command): Command =>
  command
    .option('--user <user>', 'only what this user did')
    .option('--device <id>', 'only from this device')
    .option('--app <app>', 'only to this application')
    .option('--network <network>', 'only into this private network')
    .addOption(new Option('--verdict <verdict>', 'only what was').choices(['allowed', 'denied']))
    .option('--reason <word>', 'only with this reason, or this code of a refusal')
    .option('--flow <id>', 'this flow, and what it carried')
    .option(
      '--class <class>',
      `OCSF class: ${Object.keys(flowClassNames).join(', ')}, or its number`,
      parseClass,
    );

export function registerFlowsSearch(group: Command): void {
  const command = addFlowFilter(
    group
      .command('search')
      .description('flow records of the past, newest first, or how often there were some'),
  )
    .option(
      '--since <moment>',
      'from 24h ago (default), 7d ago, 2026-11-27, 2026-11-27T13:00:00Z on',
      parseMoment,
    )
    .option('--until <moment>', 'only from before then', parseMoment)
    .option('--on <day>', 'on one day of UTC: 2026-11-24, yesterday, the last tuesday', (text) =>
      parseDay(text, Date.now()),
    )
    .option('--by <columns>', `count instead, by up to four of ${summaryColumns.join(', ')}`, parseColumns)
    .option('--whole', 'each record as it is on disk, a line of JSON each')
    .option('--limit <number>', 'at most so many', parseLimit, 100)
    .option('--from <sink>', 'the object storage of a sink of type s3: what all servers wrote there')
    .option('--data <dir>', 'search a data directory on this machine, and ask no server');
  addOutput(addConnection(command))
    .addHelpText(
      'after',
      `
A server writes into its access log what was searched for. Exits 1 when nothing is found.

Examples:
  postern flows search --app grants --on tuesday --by user,device,verdict
  postern flows search --app grants --on 2026-11-24 --verdict denied
  postern flows search --device d-x2k7… --since 30d --limit 5000 -o json
  postern flows search --flow 019b8c4e-… --whole | jq .unmapped.postern
  postern flows search --reason posture-stale --by user --data /var/lib/postern`,
    )
    .action(search);
}

async function search(options: SearchOptions): Promise<void> {
  const { by, limit, output, whole, from } = options;
  if (by !== undefined && whole === true)
    throw new CliError(exitCodes.invalid, '--by counts and --whole shows: give one of them');
  const question = {
    filter: readFlowFilter(options),
    ...periodOf(options),
    ...(from === undefined ? {} : { from }),
  };
  const source = await openFlowSource(options);
  try {
    if (by !== undefined) {
      const counts = await source.counts(question, by, limit);
      printData(output, counts, () => countLines(by, counts));
      sayWhenCut(counts.length, limit, mostCounts);
      if (counts.length === 0) process.exitCode = exitCodes.no;
      return;
    }
    const rows = await source.rows(question, limit, whole === true);
    if (whole === true) for (const { record = '' } of rows) printLine(record);
    else printData(output, rows, () => rowLines(rows));
    sayWhenCut(rows.length, limit, mostRows);
    if (rows.length === 0) process.exitCode = exitCodes.no;
  } finally {
    source.close();
  }
}

/** A list that ends at a limit looks like the whole. */
function sayWhenCut(shown: number, limit: number, most: number): void {
  if (shown < Math.min(limit, most)) return;
  const way = limit < most ? '--limit shows more' : 'ask for less at once';
  process.stderr.write(`postern: only the first ${shown} are shown, there may be more: ${way}\n`);
}

const dayMs = 86_400_000;

/** @throws CliError for a period that cannot be meant */
function periodOf({ since, until, on }: SearchOptions): Pick<FlowQuestion, 'since' | 'until'> {
  if (on !== undefined) {
    if (since !== undefined || until !== undefined)
      throw new CliError(exitCodes.invalid, '--on is a whole day: leave --since and --until out');
    return on;
  }
  const end = until ?? Date.now() + dayMs;
  const start = since ?? Math.min(Date.now(), end) - dayMs;
  if (start >= end) throw new CliError(exitCodes.invalid, '--until is not after --since');
  return { since: start, until: end };
}

const iso = (time: number | null): string => (time === null ? '-' : new Date(time).toISOString());

function whatOf(row: FlowView): string {
  if (row.class === flowClassNames.request)
    return [row.method, row.path, row.httpStatus].filter((part) => part !== null).join(' ');
  return [row.activity, row.what ?? row.host].filter((part) => part !== null).join(' ');
}

const rowLines = (rows: readonly FlowView[]): string[] =>
  tableLines(
    ['TIME', 'VERDICT', 'USER', 'DEVICE', 'APP', 'WHAT', 'WHY'],
    rows.map((row) => [
      iso(row.time),
      row.verdict ?? '-',
      row.user ?? '-',
      row.device ?? '-',
      row.app ?? '-',
      whatOf(row),
      [...new Set([row.refusal, ...row.reasons].filter((part) => part !== null))].join(', '),
    ]),
  );

const countLines = (by: readonly SummaryColumn[], counts: readonly FlowCount[]): string[] =>
  tableLines(
    [...by.map((name) => name.toUpperCase()), 'ALLOWED', 'DENIED', 'OTHER', 'FIRST', 'LAST'],
    counts.map((count) => [
      ...by.map((name) => String(count.by[name] ?? '-')),
      String(count.allowed),
      String(count.denied),
      String(count.other),
      iso(count.first),
      iso(count.last),
    ]),
  );
