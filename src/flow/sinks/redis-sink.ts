import type { RedisSinkSettings } from '../../contract/sinks.ts';
import { LedgerCorrupt } from '../../ledger/ledger.ts';
import { countReplicas } from '../../ledger/redis/count-replicas.ts';
import { openRedisConnection } from '../../ledger/redis/redis-connection.ts';
import { textOf } from '../shipper/spool-item.ts';
import type { ResolvedSink } from './resolved-sink.ts';
import type { OutgoingRecord, Sink } from './sink.ts';

/** How long replicas may take. */
const replicasMs = 2000;

/**
 * Entries of a Redis stream with the fields `uid` and `record`. An entry counts as delivered when Redis has answered, and
 * `waitForReplicas` of its replicas have it; what that survives is up to how Redis writes to its disk.
 */
export function createRedisSink({ maxEntries }: RedisSinkSettings, { redis }: ResolvedSink): Sink {
  if (redis === undefined) throw new TypeError('a Redis sink without its address');
  const { waitForReplicas } = redis;
  const key = `{${redis.prefix}}:records`;
  const connection = openRedisConnection(redis);
  const trim = maxEntries === undefined ? [] : ['MAXLEN', '~', String(maxEntries)];

  /** @returns how many replicas have them, where that matters */
  async function append(batch: readonly OutgoingRecord[]): Promise<number> {
    const generation = await connection.call(async (client) => {
      const { generation: current } = connection;
      const pipeline = client.pipeline();
      for (const { record, text } of batch) {
        const uid = textOf(record, 'metadata', 'uid') ?? '';
        pipeline.call('XADD', key, ...trim, '*', 'uid', uid, 'record', text);
      }
      const replies = (await pipeline.exec()) ?? [];
      for (const [error] of replies) if (error !== null) throw error;
      if (replies.length < batch.length) throw new Error('the connection was lost');
      return current;
    });
    return waitForReplicas === 0 ? 0 : countReplicas(connection, generation, waitForReplicas, replicasMs);
  }

  return {
    maxUnacknowledged: 1,
    async send(batch) {
      const replicas = await append(batch).catch((error: unknown) => {
        if (!(error instanceof LedgerCorrupt)) throw error;
        throw new Error(`${redis.name}: ${key} holds something else than a stream`, { cause: error });
      });
      if (replicas < waitForReplicas)
        throw new Error(`${redis.name}: ${replicas} of ${waitForReplicas} replicas have the records`);
      return {};
    },
    async close() {
      connection.close();
    },
  };
}
