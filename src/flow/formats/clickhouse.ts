import { columnNames, columns, rowOf } from '../archive/columns.ts';
import type { ColumnKind } from '../archive/columns.ts';
import { asciiJson } from '../record/safe-text.ts';
import type { FlowRecord } from '../shipper/spool-item.ts';

/** Of the columns in deploy/clickhouse/schema.sql. */
export const clickhouseTypes: Readonly<Record<ColumnKind, string>> = {
  time: "Nullable(DateTime64(3, 'UTC'))",
  integer: 'Nullable(Int64)',
  text: 'Nullable(String)',
  texts: 'Array(LowCardinality(String))',
};

/** `2026-01-05 08:00:00.025`, which is UTC for a column that is. */
const dateTime = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().slice(0, -1).replace('T', ' ');

/** A row of ClickHouse's JSONEachRow: the columns of the archive, and the record as it is on disk. */
export function formatClickhouse(record: FlowRecord, text: string): string {
  const row = rowOf(record);
  const shown = columnNames.map((name): [string, unknown] => {
    const value = row[name];
    return [name, columns[name].kind === 'time' && typeof value === 'number' ? dateTime(value) : value];
  });
  return asciiJson({ ...Object.fromEntries(shown), record: text });
}
