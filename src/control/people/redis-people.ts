import { LedgerUnavailable } from '../../ledger/ledger.ts';
import { countReplicas } from '../../ledger/redis/count-replicas.ts';
import type { RedisAddress } from '../../ledger/redis/redis-address.ts';
import type { RedisClient } from '../../ledger/redis/redis-client.ts';
import type { RedisConnection } from '../../ledger/redis/redis-connection.ts';
import { runScript, script } from '../../ledger/redis/scripts.ts';
import type { PeopleStore } from './people-store.ts';

/** How long replicas may take. */
const replicasMs = 2000;

/**
 * Puts what is not there yet, and returns what is. It is put anew even where it was there: replicas are asked for what this
 * connection wrote, and another may have put it a moment ago. With none but the rights that the plain commands take.
 */
const putScript = script(`
local kept = redis.call('HGET', KEYS[1], ARGV[1]) or ARGV[2]
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSETNX', KEYS[1], ARGV[1], kept)
return kept`);

/** Drops one, and writes also where it was gone before, for the same reason. */
const dropScript = script(`
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HSETNX', KEYS[1], '', '')
redis.call('HDEL', KEYS[1], '')`);

/**
 * Beside the ledger in Redis, shared by all control planes: one hash, `{prefix}:people`. What is dropped is gone from Redis;
 * its own files have it until it rewrites them. Where the ledger waits for replicas, so do these: a key that a failover took
 * would leave records that lead to nobody, and one that it brought back would undo an erasure.
 * @throws LedgerUnavailable while Redis does not answer, or too few replicas do
 */
export function createRedisPeople(
  connection: RedisConnection,
  { prefix, name: where, waitForReplicas }: Pick<RedisAddress, 'prefix' | 'name' | 'waitForReplicas'>,
): PeopleStore {
  const key = `{${prefix}}:people`;
  /** What replicas are known to have. */
  const confirmed = new Map<string, string>();

  async function write<Value>(work: (client: RedisClient) => Promise<Value>): Promise<Value> {
    let generation = 0;
    const value = await connection.call((client) => {
      generation = connection.generation;
      return work(client);
    });
    if (waitForReplicas === 0) return value;
    const replicas = await countReplicas(connection, generation, waitForReplicas, replicasMs);
    if (replicas < waitForReplicas)
      throw new LedgerUnavailable(
        `${where}: ${replicas} of ${waitForReplicas} replicas have confirmed a key of a person (waitForReplicas)`,
      );
    return value;
  }
  const get = (name: string): Promise<string | undefined> =>
    connection.call(async (client) => (await client.hget(key, name)) ?? undefined);

  return {
    get,
    async getLasting(name) {
      const sealed = await get(name);
      return waitForReplicas === 0 || confirmed.get(name) === sealed ? sealed : undefined;
    },
    async putNew(name, sealed) {
      const kept = await write(async (client) =>
        String(await runScript(client, putScript, key, [name, sealed])),
      );
      if (waitForReplicas > 0) confirmed.set(name, kept);
      return kept;
    },
    all: () => connection.call(async (client) => new Map(Object.entries(await client.hgetall(key)))),
    async drop(name) {
      confirmed.delete(name);
      await write((client) => runScript(client, dropScript, key, [name]));
    },
    close: () => connection.close(),
  };
}
