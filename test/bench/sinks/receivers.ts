import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { startFauxqs } from 'fauxqs';
import { Redis } from 'ioredis';
import type { S3SinkSettings, SinkSettings, SyslogSinkSettings } from '../../../src/contract/sinks.ts';
import { openDatabase, quoteText } from '../../../src/flow/archive/open-database.ts';
import { openS3Bucket } from '../../../src/flow/archive/s3-bucket.ts';
import { readLines } from '../../../src/flow/read/read-lines.ts';
import type { ResolvedSink } from '../../../src/flow/sinks/resolved-sink.ts';
import { readRedisAddress } from '../../../src/ledger/redis/redis-address.ts';
import { natsMissing, startNats } from '../../lab/servers/nats.ts';
import { hasRedis, startRedis } from '../../lab/servers/redis.ts';
import { startRsyslog, startSyslogNg, syslogMissing } from '../../lab/servers/syslog.ts';
import type { SyslogReceiver } from '../../lab/servers/syslog.ts';

/** A real receiver. */
export interface BenchReceiver {
  readonly sink: ResolvedSink;
  /** What it got: lines with a record each, however often. */
  received(): AsyncIterable<string>;
  stop(): Promise<void>;
}

const common = { from: 'beginning', format: 'ocsf' } as const;

export const archivePath = (directory: string, format: SinkSettings['format'] = 'ocsf'): string =>
  join(directory, `records.${format}`);

export function fileReceiver(directory: string, format: SinkSettings['format'] = 'ocsf'): BenchReceiver {
  const path = archivePath(directory, format);
  return {
    sink: {
      settings: { ...common, format, name: `file-${format}`, type: 'file', path, rotateMegabytes: 100_000 },
    },
    received: () => textLinesOf(path),
    stop: async () => undefined,
  };
}

export const syslogSettings = (name: string, port: number): SyslogSinkSettings => ({
  ...common,
  name,
  type: 'syslog',
  host: '127.0.0.1',
  port,
  facility: 'local0',
  resendSeconds: 1,
});

const syslogReceiver = (name: string, receiver: SyslogReceiver): BenchReceiver => ({
  sink: { settings: syslogSettings(name, receiver.port) },
  received: () => textLinesOf(join(receiver.directory, 'received')),
  stop: () => receiver.stop(),
});

/** One by one: together they may be longer than any text can be. */
async function* textLinesOf(path: string): AsyncIterable<string> {
  for await (const { bytes } of readLines(path)) yield bytes.toString('latin1');
}

async function redisReceiver(): Promise<BenchReceiver> {
  const server = await startRedis({ settings: ['appendonly yes'] });
  const redis = { url: `redis://127.0.0.1:${server.port}`, prefix: 'bench' };
  return {
    sink: {
      settings: { ...common, name: 'redis', type: 'redis', redis },
      redis: readRedisAddress(redis, '/'),
    },
    async *received() {
      const client = new Redis({ port: server.port });
      for (let from = '-'; ; ) {
        const page = await client.xrange('{bench}:records', from, '+', 'COUNT', 1000);
        for (const [, [, , , record = '']] of page) yield record;
        const last = page.at(-1);
        if (last === undefined) break;
        from = `(${last[0]}`;
      }
      client.disconnect();
    },
    stop: () => server.stop(),
  };
}

async function natsReceiver(): Promise<BenchReceiver> {
  const server = await startNats();
  const connection = await connect({ servers: `127.0.0.1:${server.port}` });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: 'records', subjects: ['bench.*'] });
  const settings = {
    ...common,
    name: 'nats',
    type: 'nats',
    servers: [`127.0.0.1:${server.port}`],
    subject: 'bench',
    timeoutSeconds: 10,
  } as const;
  return {
    sink: { settings: { ...settings, servers: [...settings.servers] } },
    async *received() {
      const { state } = await manager.streams.info('records');
      if (state.messages === 0) return;
      const consumer = await jetstream(connection).consumers.get('records');
      for await (const message of await consumer.consume()) {
        yield message.string();
        if (message.info.streamSequence >= state.last_seq) break;
      }
    },
    async stop() {
      await connection.close();
      await server.stop();
    },
  };
}

/** Its objects are small, so that some are written between two kills. */
async function s3Receiver(directory: string): Promise<BenchReceiver> {
  const server = await startFauxqs({ port: 0, logger: false });
  server.createBucket('records');
  const settings: S3SinkSettings = {
    ...common,
    name: 's3',
    type: 's3',
    url: server.address,
    region: 'eu-west-3',
    bucket: 'records',
    pathStyle: true,
    accessKeyId: 'AKIAEXAMPLE',
    secretKeyFile: 's3.secret',
    // Sooner than settings may say it: who measures does not wait for a minute.
    flushMinutes: 0.05,
    maxMegabytes: 1,
    timeoutSeconds: 10,
  };
  const secret = 'wJalrXUtnFEMI/K7MDENG';
  return {
    sink: { settings, secret },
    async *received() {
      const folder = mkdtempSync(join(directory, 'objects-'));
      const bucket = openS3Bucket({ settings, secret });
      const database = await openDatabase({ directories: [folder], memoryMegabytes: 512, threads: 1 });
      let number = 0;
      for await (const { name } of bucket.list('')) {
        const file = join(folder, `${(number += 1)}.parquet`);
        await bucket.get(name, file);
        const read = await database.connection.runAndReadAll(
          `SELECT record FROM read_parquet(${quoteText(file)})`,
        );
        for (const [record] of read.getRowsJS()) yield record as string;
      }
      database.close();
      bucket.close();
    },
    stop: () => server.stop(),
  };
}

/** All that can run here; what cannot is said. */
export async function startReceivers(directory: string): Promise<BenchReceiver[]> {
  const receivers = [fileReceiver(directory)];
  if (syslogMissing === '')
    receivers.push(
      syslogReceiver('rsyslog', await startRsyslog()),
      syslogReceiver('syslog-ng', await startSyslogNg()),
    );
  else process.stdout.write(`no rsyslog and syslog-ng${syslogMissing}\n`);
  if (hasRedis) receivers.push(await redisReceiver());
  else process.stdout.write('no Redis (apt-get install redis-server)\n');
  if (natsMissing === '') receivers.push(await natsReceiver());
  else process.stdout.write(`no NATS${natsMissing}\n`);
  receivers.push(await s3Receiver(directory));
  return receivers;
}
