import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { SinkSettings, SyslogSinkSettings } from '../../../src/contract/sinks.ts';
import type { ResolvedSink } from '../../../src/flow/sinks/resolved-sink.ts';
import { readRedisAddress } from '../../../src/ledger/redis/redis-address.ts';
import { natsMissing, startNats } from '../../lab/servers/nats.ts';
import { hasRedis, startRedis } from '../../lab/servers/redis.ts';
import { startRsyslog, startSyslogNg, syslogMissing } from '../../lab/servers/syslog.ts';
import type { SyslogReceiver } from '../../lab/servers/syslog.ts';

/** A real receiver with what it got: the lines of the records, however often. */
export interface BenchReceiver {
  readonly sink: ResolvedSink;
  received(): Promise<readonly string[]>;
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
    received: async () => readFileSync(path, 'utf8').split('\n').slice(0, -1),
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
  received: async () => receiver.received().map(({ text }) => text),
  stop: () => receiver.stop(),
});

async function redisReceiver(): Promise<BenchReceiver> {
  const server = await startRedis({ settings: ['appendonly yes'] });
  const redis = { url: `redis://127.0.0.1:${server.port}`, prefix: 'bench' };
  return {
    sink: {
      settings: { ...common, name: 'redis', type: 'redis', redis },
      redis: readRedisAddress(redis, '/'),
    },
    async received() {
      const lines: string[] = [];
      for (let from = '-'; ; ) {
        const page = JSON.parse(
          server.cli('--json', 'XRANGE', '{bench}:records', from, '+', 'COUNT', '200'),
        ) as [string, [string, string, string, string]][];
        if (page.length === 0) return lines;
        lines.push(...page.map(([, [, , , record]]) => record));
        from = `(${page.at(-1)?.[0]}`;
      }
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
    async received() {
      const { state } = await manager.streams.info('records');
      const lines: string[] = [];
      if (state.messages === 0) return lines;
      const consumer = await jetstream(connection).consumers.get('records');
      for await (const message of await consumer.consume()) {
        lines.push(message.string());
        if (message.info.streamSequence >= state.last_seq) break;
      }
      return lines;
    },
    async stop() {
      await connection.close();
      await server.stop();
    },
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
  return receivers;
}
