import { Option } from 'commander';
import type { Command } from 'commander';
import { stringify } from 'yaml';

export const outputFormats = ['table', 'json', 'yaml'] as const;
export type OutputFormat = (typeof outputFormats)[number];

export const addOutput = (command: Command): Command =>
  command.addOption(
    new Option('-o, --output <format>', 'how to print data').choices(outputFormats).default('table'),
  );

/** Control characters in what others wrote, such as a reason or a file name, could redraw the terminal. */
export const printable = (text: string): string => text.replaceAll(/\p{Cc}+/gu, ' ');

export const printLine = (line: string): void => void process.stdout.write(`${line}\n`);

/** Prints a value: for scripts as it is, for people as `table` makes it. */
export function printData(format: OutputFormat, value: unknown, table: () => readonly string[]): void {
  if (format === 'json') printLine(JSON.stringify(value, null, 2));
  else if (format === 'yaml') process.stdout.write(stringify(value));
  else for (const line of table()) printLine(line);
}

/** Columns as wide as their widest cell, under their titles. */
export function tableLines(titles: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = [titles, ...rows.map((row) => row.map(printable))];
  const widths = titles.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)));
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** Epoch seconds as people read them. */
export const formatTime = (seconds: number): string =>
  new Date(seconds * 1000).toISOString().replace('T', ' ').replace('.000Z', 'Z');
