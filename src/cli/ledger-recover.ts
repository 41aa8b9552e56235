import { join } from 'node:path';
import type { Command } from 'commander';
import { dataDirectory } from '../contract/data-directory.ts';
import { dataPathOf } from '../control/store/open-data-directory.ts';
import { isRefusal } from '../control/api/refused.ts';
import type { ControlEvent } from '../domain/events.ts';
import { readLostEntries } from '../ledger/replica/lost-entries.ts';
import { makeAgain, reviewLost, settleLost } from '../ledger/replica/review-lost.ts';
import type { LostEntry } from '../ledger/replica/review-lost.ts';
import { CliError, exitCodes } from './cli-error.ts';
import { findConfig } from './find-config.ts';
import { addOutput, formatTime, printData, tableLines } from './terminal/output.ts';
import type { OutputFormat } from './terminal/output.ts';
import { readSettings } from './read-settings.ts';
import { withLedger } from './with-ledger.ts';

interface RecoverOptions {
  readonly config?: string;
  readonly apply?: string;
  readonly settle?: true;
  readonly output: OutputFormat;
}

export function registerLedgerRecover(group: Command): void {
  const command = group
    .command('recover')
    .description('show what the store of the ledger lost and went on without, and make it again')
    .option('--config <file>', 'settings (default: as for serve)')
    .option('--apply <numbers>', 'make these again, in one step: numbers with commas, or `missing`')
    .option('--settle', 'all has been seen to: show these no more');
  addOutput(command)
    .addHelpText(
      'after',
      `
After a failover Redis may lack changes that it had acknowledged. Each server gives them back. Where others had changed
something meanwhile, that is not possible: revocations, quarantines, used tokens and policies that only forbid are then
made again by themselves, and the rest is kept on each server for you to decide. Exits 1 while anything is shown as missing.

Examples:
  postern ledger recover
  postern ledger recover --apply 1042,1043
  postern ledger recover --settle`,
    )
    .action(async (options: RecoverOptions) => {
      const configFile = await findConfig(options.config);
      const settings = readSettings(configFile);
      const directory = join(dataPathOf(configFile, settings.data), dataDirectory.lostEntries);
      await withLedger(configFile, async (ledger) => {
        const kept = readLostEntries(directory);
        if (options.apply !== undefined) {
          const chosen = choose(options.apply, await reviewLost(ledger, kept));
          const result = await makeAgain(ledger, chosen);
          if (isRefusal(result))
            throw new CliError(
              exitCodes.no,
              `nothing was made again: ${result.detail ?? result.code}. Choose fewer, or in the order of their numbers`,
            );
        }
        const lost = await reviewLost(ledger, kept);
        if (options.settle === true) settleLost(kept);
        printData(options.output, lost.map(plain), () => lines(lost));
        if (lost.some(({ isBack }) => !isBack) && options.settle !== true) process.exitCode = exitCodes.no;
      });
    });
}

function choose(text: string, lost: readonly LostEntry[]): ControlEvent[] {
  const missing = lost.filter(({ isBack }) => !isBack);
  const numbers =
    text === 'missing' ? missing.map(({ entry }) => entry.sequence) : text.split(',').map(Number);
  const chosen = lost.filter(({ entry }) => numbers.includes(entry.sequence));
  const unknown = numbers.filter((number) => !chosen.some(({ entry }) => entry.sequence === number));
  if (unknown.length > 0)
    throw new CliError(exitCodes.invalid, `no lost entry has the number ${text}: nothing was made again`);
  if (chosen.length === 0) throw new CliError(exitCodes.invalid, 'nothing is missing');
  return chosen.map(({ event }) => event);
}

const plain = ({ entry, event, isBack }: LostEntry): unknown => ({
  sequence: entry.sequence,
  at: new Date(entry.at).toISOString(),
  actor: entry.actor,
  event,
  state: isBack ? 'back' : 'missing',
});

const lines = (lost: readonly LostEntry[]): string[] =>
  lost.length === 0
    ? ['Nothing was lost.']
    : tableLines(
        ['NUMBER', 'AT', 'WHO', 'WHAT', 'NOW'],
        lost.map(({ entry, event, isBack }) => [
          String(entry.sequence),
          formatTime(Math.floor(entry.at / 1000)),
          entry.actor,
          describeEvent(event),
          isBack ? 'back' : 'missing',
        ]),
      );

/** What it was about, in a few words: the event without what is for machines. */
function describeEvent(event: ControlEvent): string {
  const { type } = event;
  if (type === 'resource-put') return `${type} ${event.resource.kind} ${event.resource.name}`;
  const words = Object.entries(event).flatMap(([name, value]) =>
    name !== 'type' && name !== 'secretHash' && typeof value === 'string' ? [value] : [],
  );
  return [type, ...words].join(' ');
}
