import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { dataDirectory } from '../../contract/data-directory.ts';
import { sinkFormats } from '../../contract/sinks.ts';
import type { SinkFormat } from '../../contract/sinks.ts';
import { formatClickhouse } from '../../flow/formats/clickhouse.ts';
import { formats } from '../../flow/formats/format.ts';
import { readKept } from '../../flow/kept/read-kept.ts';
import { readPeriod } from '../../flow/shipper/read-period.ts';
import type { FlowRecord, Gap, SpoolItem } from '../../flow/shipper/spool-item.ts';
import { exitCodes } from '../cli-error.ts';
import { addDataOption, cannotReadRecords, recordData } from './flow-directory.ts';
import { parseMoment } from '../moment.ts';

interface ExportOptions {
  readonly data?: string;
  readonly format: SinkFormat | 'clickhouse';
  readonly since?: number;
  readonly until?: number;
}

export function registerFlowsExport(group: Command): void {
  const command = group
    .command('export')
    .description(
      'print the flow records of a period, one a line, in a format of the SOC; exits 1 when some are missing',
    )
    .addOption(
      new Option(
        '--format <format>',
        'OCSF as it is on disk, Elastic Common Schema, ArcSight CEF, or rows for ClickHouse',
      )
        .choices([...sinkFormats, 'clickhouse'])
        .default('ocsf'),
    )
    .option('--since <moment>', 'only from 24h ago, 7d ago, 2026-11-27, 2026-11-27T13:00:00Z on', parseMoment)
    .option('--until <moment>', 'only from before then', parseMoment);
  addDataOption(command)
    .addHelpText(
      'after',
      `
The records of one worker come in their order, those of several one worker after the other; the access log is worker 0. What is missing is named on standard error.

Examples:
  postern flows export --since 24h > yesterday.jsonl
  postern flows export --format cef --since 2026-11-01 --until 2026-12-01 --data /var/lib/postern | gzip > november.cef.gz`,
    )
    .action(async (options: ExportOptions) => {
      const data = await recordData(options.data);
      const directory = join(data, dataDirectory.flows);
      const accesses = join(data, dataDirectory.accessLog);
      const directories = existsSync(accesses) ? [directory, accesses] : [directory];
      try {
        const kept = join(data, dataDirectory.keptRecords);
        if (!(await exportPeriod(readAll(directories, kept, options), options)))
          process.exitCode = exitCodes.no;
      } catch (error) {
        throw cannotReadRecords(directory, error);
      }
    });
}

/** What is kept longer than its segments is older than all else. */
async function* readAll(
  directories: readonly string[],
  kept: string,
  period: ExportOptions,
): AsyncIterable<SpoolItem> {
  yield* readKept(kept, period);
  yield* readPeriod(directories, period);
}

/** @returns whether nothing is missing but what retention removed */
async function exportPeriod(items: AsyncIterable<SpoolItem>, options: ExportOptions): Promise<boolean> {
  const format = formatOf(options.format);
  let isWhole = true;
  let isWanted = true;
  // Nobody reads any more, as behind `head`.
  process.stdout.once('error', () => (isWanted = false));
  for await (const item of items) {
    if (!isWanted) break;
    if (item.kind === 'record') {
      const text = format(item.record, item.text);
      if (!process.stdout.write(`${text}\n`) && isWanted)
        await Promise.race([once(process.stdout, 'drain'), closed()]);
      continue;
    }
    isWhole = isWhole && item.kind === 'gap' && item.gap.reason === 'retention';
    process.stderr.write(
      item.kind === 'gap' ? describeGap(item.gap) : 'a line that is no record is passed over\n',
    );
  }
  return isWhole;
}

/** OCSF is passed on byte for byte. */
function formatOf(format: ExportOptions['format']): (record: FlowRecord, line: string) => string {
  if (format === 'clickhouse') return formatClickhouse;
  return format === 'ocsf' ? (_, line) => line : formats[format];
}

const closed = (): Promise<void> => new Promise((resolve) => process.stdout.once('error', () => resolve()));

const describeGap = ({ stream, from, to, reason }: Gap): string =>
  `records ${from} to ${to ?? 'an unknown number'} of worker ${stream.worker}, boot ${stream.bootId}, ${
    reason === 'retention' ? 'were removed when their time was over' : 'are missing'
  }\n`;
