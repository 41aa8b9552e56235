import { setTimeout as pause } from 'node:timers/promises';
import { Option } from 'commander';
import type { Command } from 'commander';
import { Value } from 'typebox/value';
import { FlowView } from '../../contract/flow-search.ts';
import { rowOf } from '../../flow/archive/columns.ts';
import { createFlowMatch, readFlowFilter } from '../../flow/search/flow-query.ts';
import type { FlowFilter, FlowFilterWords } from '../../flow/search/flow-query.ts';
import { tailFlows } from '../../flow/read/tail-flows.ts';
import { addConnection, resolveApi } from '../api-client.ts';
import type { ApiTarget, ConnectionOptions } from '../api-client.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { readEvents } from '../event-stream.ts';
import { addDataOption, cannotReadRecords, flowDirectory } from './flow-directory.ts';
import { describeFlow, flowTitles } from './flow-line.ts';
import { addFlowFilter } from './flows-search.ts';
import { printLine } from '../terminal/output.ts';

interface TailOptions extends FlowFilterWords, ConnectionOptions {
  readonly data?: string;
  readonly fromStart?: true;
  readonly follow?: true;
  readonly output: 'table' | 'json';
}

export function registerFlowsTail(group: Command): void {
  const command = addFlowFilter(
    group
      .command('tail')
      .description('print flow records as they are written, until interrupted')
      .option('--from-start', 'also those that were written before; of this machine')
      .option('--follow', 'connect again when a server goes away, until interrupted')
      .addOption(
        new Option('-o, --output <format>', 'table, or the OCSF record a line')
          .choices(['table', 'json'])
          .default('table'),
      ),
  );
  addDataOption(addConnection(command))
    .addHelpText(
      'after',
      `
Of the data directory on this machine; with --server, of that server, which writes into its access log that it was followed.

Examples:
  postern flows tail
  postern flows tail --data /var/lib/postern --from-start -o json | jq 'select(.action == "Denied")'
  postern flows tail --server https://control.example.org:8444 --follow --verdict denied`,
    )
    .action(tail);
}

async function tail(options: TailOptions): Promise<void> {
  if (options.server !== undefined && (options.data !== undefined || options.fromStart === true))
    throw new CliError(exitCodes.invalid, 'a server tells what comes: leave --data and --from-start out');
  if (options.server === undefined && options.follow === true)
    throw new CliError(exitCodes.invalid, '--follow is about a server: give --server URL');
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interrupted.abort());
  // Nobody reads any more.
  process.stdout.once('error', () => interrupted.abort());
  const show = (record: unknown): void =>
    printLine(options.output === 'json' ? JSON.stringify(record) : describeFlow(record));
  const { signal } = interrupted;
  if (options.server === undefined) return tailFiles(options, show, signal);
  const target = await resolveApi(options);
  if (options.output === 'table') printLine(flowTitles());
  for (;;) {
    try {
      return await tailServer(target, readFlowFilter(options), show, signal);
    } catch (error) {
      const isAway = error instanceof CliError && error.exitCode === exitCodes.unreachable;
      if (options.follow !== true || !isAway) throw error;
      process.stderr.write(`postern: ${error.message}\n`);
      await pause(reconnectMs, undefined, { signal }).catch(() => undefined);
    }
  }
}

const reconnectMs = 2000;

async function tailFiles(
  options: TailOptions,
  show: (record: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  const directory = await flowDirectory(options.data);
  const matches = createFlowMatch(readFlowFilter(options));
  if (options.output === 'table') printLine(flowTitles());
  try {
    for await (const record of tailFlows(directory, { signal, fromStart: options.fromStart === true }))
      if (matches(rowOf(record))) show(record);
  } catch (error) {
    throw cannotReadRecords(directory, error);
  }
}

/** @throws CliError also when the server ends it, unless the signal did. */
async function tailServer(
  target: ApiTarget,
  filter: FlowFilter,
  show: (record: unknown) => void,
  signal: AbortSignal,
): Promise<void> {
  const query = new URLSearchParams(Object.entries(filter).map(([name, value]) => [name, String(value)]));
  for await (const { event, data } of readEvents(target, `/v1/flows/tail?${query.toString()}`, signal)) {
    const value: unknown = JSON.parse(data);
    if (event === 'end') throw new CliError(exitCodes.no, `${target.origin} shows no more: ${data}`);
    if (Value.Check(FlowView, value) && value.record !== undefined) show(JSON.parse(value.record));
  }
  if (!signal.aborted) throw new CliError(exitCodes.unreachable, `${target.origin} ended the connection`);
}
