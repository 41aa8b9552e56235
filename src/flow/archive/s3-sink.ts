import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { dirname } from 'node:path/posix';
import type { S3SinkSettings } from '../../contract/sinks.ts';
import type { RetentionDays } from '../retention.ts';
import { forgetFetched } from '../search/fetched-files.ts';
import type { SinkPlace } from '../sinks/create-sink.ts';
import type { ResolvedSink } from '../sinks/resolved-sink.ts';
import type { Sink } from '../sinks/sink.ts';
import type { ArchiveStore } from './archive-store.ts';
import { createParquetSink } from './parquet-sink.ts';
import { hourMs, parsePartitionPath } from './partition.ts';
import { openS3Bucket } from './s3-bucket.ts';
import type { S3Bucket } from './s3-bucket.ts';

const memoryMegabytes = 192;
const dayMs = 86_400_000;

/** Parquet files in object storage. Until they are there, their records are in the spool. */
export async function createS3Sink(
  settings: S3SinkSettings,
  { secret, tls }: ResolvedSink,
  { sinkDirectory, gateway, retention, onTrouble }: SinkPlace,
): Promise<Sink> {
  if (secret === undefined) throw new TypeError('object storage without a secret');
  const { name, flushMinutes, maxMegabytes } = settings;
  const bucket = openS3Bucket({ settings, secret, ...(tls === undefined ? {} : { tls }) });
  const fetched = join(sinkDirectory, `${name}.fetched`);
  const tidyUp = (): void =>
    void forgetFetched(fetched, Date.now() - dayMs).catch((error: unknown) => onTrouble(String(error)));
  return createParquetSink({
    store: createS3Store(bucket, retention, tidyUp),
    stagingDirectory: join(sinkDirectory, `${name}.staging`),
    manifestFile: join(sinkDirectory, `${name}.archived`),
    gateway,
    maxWaitMs: flushMinutes * 60_000,
    maxBytes: maxMegabytes * 1024 * 1024,
    memoryMegabytes,
  });
}

function createS3Store(bucket: S3Bucket, retention: RetentionDays, tidyUp: () => void): ArchiveStore {
  return {
    async publish({ name }, staged) {
      const partition = parsePartitionPath(dirname(name));
      if (partition === undefined) throw new TypeError(`${name} is in no partition`);
      await bucket.put(name, staged, partition.hour + hourMs + retention[partition.keep] * dayMs);
      await rm(staged);
    },
    published: tidyUp,
    close: async () => bucket.close(),
  };
}
