import { DuckDBTimestampMillisecondsValue, LIST, VARCHAR } from '@duckdb/node-api';
import type { DuckDBAppender, DuckDBConnection } from '@duckdb/node-api';
import type { FlowRecord } from '../shipper/spool-item.ts';
import { columnNames, columns, rowOf } from './columns.ts';
import type { ColumnKind } from './columns.ts';
import { quoteName, quoteText } from './open-database.ts';
import { parsePartitionPath, partitionOf, partitionPath } from './partition.ts';
import type { Partition } from './partition.ts';

export const sqlTypes: Readonly<Record<ColumnKind, string>> = {
  time: 'TIMESTAMP_MS',
  integer: 'BIGINT',
  text: 'VARCHAR',
  texts: 'VARCHAR[]',
};

/**
 * How Parquet files are written, all of them: by device, in small groups of rows. So what one laptop did lies together, and of the
 * records themselves, which are nearly all of the bytes, only those groups are read. In groups so small the first level of zstd
 * makes smaller files than its usual third, in three quarters of the time.
 */
export const parquetOptions = 'FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1, ROW_GROUP_SIZE 4096';
export const parquetOrder = 'ORDER BY device, time';

/** Records that wait to be written as files, outside of our own memory. */
export interface PendingRecords {
  /** Of records as text. */
  readonly bytes: number;
  add(record: FlowRecord, text: string, now: number): void;
  partitions(): Promise<Partition[]>;
  /** Writes those of one partition to a new file. @throws what DuckDB throws */
  write(partition: Partition, path: string): Promise<void>;
  clear(): Promise<void>;
}

const table = 'pending';
const texts = LIST(VARCHAR);

export async function createPendingRecords(connection: DuckDBConnection): Promise<PendingRecords> {
  const defined = columnNames.map((name) => `${quoteName(name)} ${sqlTypes[columns[name].kind]}`);
  await connection.run(`CREATE TABLE ${table} (${defined.join(', ')}, record VARCHAR, partition VARCHAR)`);
  let appender: DuckDBAppender | undefined;
  let bytes = 0;
  const flush = (): void => {
    appender?.closeSync();
    appender = undefined;
  };
  const open = await connection.createAppender(table);
  appender = open;
  return {
    get bytes() {
      return bytes;
    },
    add(record, text, now) {
      if (appender === undefined) throw new TypeError('records are added while files are written');
      const row = rowOf(record);
      for (const name of columnNames) append(appender, columns[name].kind, row[name]);
      appender.appendVarchar(text);
      appender.appendVarchar(partitionPath(partitionOf(record, now)));
      appender.endRow();
      bytes += text.length;
    },
    async partitions() {
      flush();
      const found = await connection.runAndReadAll(`SELECT DISTINCT partition FROM ${table} ORDER BY 1`);
      return found.getRowsJS().flatMap(([path]) => parsePartitionPath(path as string) ?? []);
    },
    async write(partition, path) {
      await connection.run(
        `COPY (SELECT * EXCLUDE (partition) FROM ${table} WHERE partition = ${quoteText(partitionPath(partition))} ${parquetOrder})
         TO ${quoteText(path)} (${parquetOptions})`,
      );
    },
    async clear() {
      flush();
      await connection.run(`TRUNCATE ${table}`);
      bytes = 0;
      appender = await connection.createAppender(table);
    },
  };
}

function append(
  appender: DuckDBAppender,
  kind: ColumnKind,
  value: number | string | readonly string[] | null,
): void {
  if (value === null) return appender.appendNull();
  switch (kind) {
    case 'time':
      return appender.appendTimestampMilliseconds(
        new DuckDBTimestampMillisecondsValue(BigInt(value as number)),
      );
    case 'integer':
      return appender.appendBigInt(BigInt(value as number));
    case 'text':
      return appender.appendVarchar(value as string);
    case 'texts':
      return appender.appendList(value as readonly string[], texts);
  }
}
