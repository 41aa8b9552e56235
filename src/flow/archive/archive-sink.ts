import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ArchiveSinkSettings } from '../../contract/sinks.ts';
import type { SinkPlace } from '../sinks/create-sink.ts';
import type { Sink } from '../sinks/sink.ts';
import { createLocalStore } from './local-store.ts';
import { createParquetSink } from './parquet-sink.ts';

/** As text; so much lies in DuckDB's memory until it is written. */
const maxBytes = 16 * 1024 * 1024;
const memoryMegabytes = 192;

/** The archive in the data directory. */
export function createArchiveSink(
  { name, flushSeconds }: ArchiveSinkSettings,
  { archiveDirectory, sinkDirectory, gateway, retention, onTrouble }: SinkPlace,
): Promise<Sink> {
  mkdirSync(archiveDirectory, { recursive: true, mode: 0o700 });
  const stagingDirectory = join(archiveDirectory, 'staging');
  return createParquetSink({
    store: createLocalStore({
      directory: archiveDirectory,
      stagingDirectory,
      memoryMegabytes,
      days: retention,
      onTrouble: (error) => onTrouble(error instanceof Error ? error.message : String(error)),
    }),
    stagingDirectory,
    manifestFile: join(sinkDirectory, `${name}.archived`),
    gateway,
    maxWaitMs: flushSeconds * 1000,
    maxBytes,
    memoryMegabytes,
  });
}
