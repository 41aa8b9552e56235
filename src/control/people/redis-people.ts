import type { RedisConnection } from '../../ledger/redis/redis-connection.ts';
import type { PeopleStore } from './people-store.ts';

/**
 * Beside the ledger in Redis, shared by all control planes: one hash, `{prefix}:people`. What is dropped is gone from Redis;
 * its own files have it until it rewrites them. @throws LedgerUnavailable while Redis does not answer
 */
export function createRedisPeople(connection: RedisConnection, prefix: string): PeopleStore {
  const key = `{${prefix}}:people`;
  return {
    get: (name) => connection.call(async (client) => (await client.hget(key, name)) ?? undefined),
    putNew: (name, sealed) =>
      connection.call(async (client) => {
        await client.hsetnx(key, name, sealed);
        return (await client.hget(key, name)) ?? sealed;
      }),
    all: () => connection.call(async (client) => new Map(Object.entries(await client.hgetall(key)))),
    drop: (name) => connection.call(async (client) => void (await client.hdel(key, name))),
    close: () => connection.close(),
  };
}
