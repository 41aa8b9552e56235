import { writeFileSync } from 'node:fs';
import { printTable } from './table.ts';

/** One figure, beside the mark that it is held to. */
export interface Row {
  readonly what: string;
  /** Key in the JSON, with its unit. */
  readonly key: string;
  readonly value: number;
  readonly unit: string;
  /** Where the figure has to stay below this. */
  readonly mark?: number;
}

export const rowOf = (what: string, key: string, value: number, unit: string, mark?: number): Row => ({
  what,
  key,
  value,
  unit,
  ...(mark === undefined ? {} : { mark }),
});

const threeDigits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** Prints what was measured, and writes the figures by their keys to `jsonFile` where there is one. */
export function reportRows(rows: readonly Row[], jsonFile: string | undefined, format = threeDigits): void {
  printTable(
    rows.map(({ what, value, unit, mark }) => ({
      measured: what,
      figure: `${format(value)} ${unit}`,
      mark: mark === undefined ? '' : `< ${mark} ${unit}`,
      reached: mark === undefined ? '' : value < mark ? 'yes' : 'NO',
    })),
  );
  if (jsonFile === undefined) return;
  const figures = Object.fromEntries(rows.map(({ key, value }) => [key, value]));
  writeFileSync(jsonFile, `${JSON.stringify(figures, undefined, 2)}\n`);
}
