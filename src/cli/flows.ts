import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { dataDirectory } from '../contract/data-directory.ts';
import { tailFlows } from '../flow/tail-flows.ts';
import type { FlowReport } from '../flow/flow-report.ts';
import { verifyFlows } from '../flow/verify-flows.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { flowDirectory } from './flow-directory.ts';
import { describeFlow, flowTitles } from './flow-line.ts';
import { addOutput, printable, printData, printLine } from './output.ts';
import type { OutputFormat } from './output.ts';

export function registerFlows(program: Command): void {
  const group = program
    .command('flows')
    .description('flow records: watch them, and prove that none is missing');
  registerTail(group);
  registerVerify(group);
}

const addData = (command: Command): Command =>
  command.option('--data <dir>', 'data directory of the server (default: the one in the context file)');

const cannotRead = (directory: string, error: unknown): CliError =>
  new CliError(exitCodes.invalid, `flow records in ${directory} cannot be read: ${(error as Error).message}`);

function registerTail(group: Command): void {
  const command = group
    .command('tail')
    .description('print flow records as they are written, until interrupted')
    .option('--from-start', 'also those that were written before')
    .addOption(
      new Option('-o, --output <format>', 'table, or the OCSF record a line')
        .choices(['table', 'json'])
        .default('table'),
    );
  addData(command)
    .addHelpText(
      'after',
      `
Examples:
  postern flows tail
  postern flows tail --data /var/lib/postern --from-start -o json | jq 'select(.action == "Denied")'`,
    )
    .action(async (options: { data?: string; fromStart?: true; output: 'table' | 'json' }) => {
      const directory = await flowDirectory(options.data);
      const interrupted = new AbortController();
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
      // Nobody reads any more.
      process.stdout.once('error', () => interrupted.abort());
      if (options.output === 'table') printLine(flowTitles());
      try {
        const { signal } = interrupted;
        for await (const record of tailFlows(directory, { signal, fromStart: options.fromStart === true }))
          printLine(options.output === 'json' ? JSON.stringify(record) : describeFlow(record));
      } catch (error) {
        throw cannotRead(directory, error);
      }
    });
}

function registerVerify(group: Command): void {
  const command = group
    .command('verify')
    .description('prove that the chains of flow records are whole; exits 1 when they are not');
  addData(addOutput(command))
    .addHelpText(
      'after',
      `
Each worker chains its records by hash and numbers them, and so does the access log. Altered records, missing ranges and missing files are named.
It can run while the server writes.

Example:
  postern flows verify --data /var/lib/postern`,
    )
    .action(async (options: { data?: string; output: OutputFormat }) => {
      const directory = await flowDirectory(options.data);
      let report: FlowReport;
      try {
        report = await verifyAll(directory);
      } catch (error) {
        throw cannotRead(directory, error);
      }
      printData(options.output, report, () => reportLines(report));
      if (report.problems.length > 0) process.exitCode = exitCodes.no;
    });
}

/** The flow records, and the access log beside them: two directories, so that no worker can touch the second. */
async function verifyAll(flows: string): Promise<FlowReport> {
  const report = await verifyFlows(flows);
  const directory = join(flows, '..', dataDirectory.accessLog);
  if (!existsSync(directory)) return report;
  const accesses = await verifyFlows(directory);
  const named = <Item extends { readonly file: string }>(item: Item): Item => ({
    ...item,
    file: `${dataDirectory.accessLog}/${item.file}`,
  });
  return {
    files: report.files + accesses.files,
    records: report.records + accesses.records,
    streams: [...report.streams, ...accesses.streams],
    problems: [...report.problems, ...accesses.problems.map(named)],
    torn: [...report.torn, ...accesses.torn.map(named)],
  };
}

const nameOf = (worker: number): string => (worker === 0 ? 'access log' : `worker ${worker}`);

function reportLines({ files, records, streams, problems, torn }: FlowReport): string[] {
  return [
    ...streams.map(
      ({ worker, bootId, startedAt, records: count, lastSequence, retired, lost }) =>
        `${nameOf(worker)}, started ${new Date(startedAt).toISOString()} (${bootId}): ${count} records, up to number ${lastSequence}${retired === 0 ? '' : `, ${retired} before them removed when their time was over`}${lost === 0 ? '' : `, ${lost} given up while the disk took none`}`,
    ),
    ...torn.map(
      ({ worker, file, line }) =>
        `note: ${file}:${line}: the process of ${nameOf(worker)} was killed while it wrote this line; nobody was told that it was written`,
    ),
    ...problems.map(
      ({ kind, file, line, message }) =>
        `${kind}: ${line === undefined ? file : `${file}:${line}`}: ${message}`,
    ),
    problems.length === 0
      ? `Whole: ${records} records in ${files} files.`
      : `NOT whole: ${problems.length} problem(s) in ${records} records of ${files} files.`,
  ].map(printable);
}
