import { writeFileSync } from 'node:fs';
import { median, printTable } from './table.ts';

/** One figure, beside the mark that it is held to. */
export interface Row {
  readonly what: string;
  /** Key in the JSON, with its unit. */
  readonly key: string;
  readonly value: number;
  readonly unit: string;
  /** Where the figure has to stay below this. */
  readonly mark?: number;
  /** The lowest and the highest of those that the figure is the median of. */
  readonly spread?: readonly [low: number, high: number];
}

export const rowOf = (what: string, key: string, value: number, unit: string, mark?: number): Row => ({
  what,
  key,
  value,
  unit,
  ...(mark === undefined ? {} : { mark }),
});

/** The median of what several rounds gave, with the lowest and the highest of them. */
export const rowOfRounds = (
  what: string,
  key: string,
  rounds: readonly number[],
  unit: string,
  mark?: number,
): Row => ({
  ...rowOf(what, key, median(rounds), unit, mark),
  spread: [Math.min(...rounds), Math.max(...rounds)],
});

const threeDigits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** Prints what was measured, and writes the figures by their keys to `jsonFile` where there is one. */
export function reportRows(rows: readonly Row[], jsonFile: string | undefined, format = threeDigits): void {
  const hasSpread = rows.some(({ spread }) => spread !== undefined);
  printTable(
    rows.map(({ what, value, unit, mark, spread }) => ({
      measured: what,
      figure: `${format(value)} ${unit}`,
      ...(hasSpread ? { spread: spread?.map(format).join(' to ') ?? '' } : {}),
      mark: mark === undefined ? '' : `< ${mark} ${unit}`,
      reached: mark === undefined ? '' : value < mark ? 'yes' : 'NO',
    })),
  );
  if (jsonFile === undefined) return;
  const figures = Object.fromEntries(
    rows.flatMap(({ key, value, spread }) => [
      [key, value],
      ...(spread ?? []).map((end, index) => [`${key}.${index === 0 ? 'low' : 'high'}`, end] as const),
    ]),
  );
  writeFileSync(jsonFile, `${JSON.stringify(figures, undefined, 2)}\n`);
}
