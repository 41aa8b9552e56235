import { LedgerCorrupt, LedgerUnavailable } from '../../ledger/ledger.ts';
import type { RedisClient } from '../../ledger/redis/redis-client.ts';
import type { RedisConnection } from '../../ledger/redis/redis-connection.ts';
import { countScript, runScript } from '../../ledger/redis/scripts.ts';
import type { FleetingStore } from './fleeting-store.ts';

/** After Redis did not answer, it is left alone for this long: nobody shall wait for it each time. */
const restMs = 1000;

/**
 * In Redis, under keys that expire by themselves. While Redis is away, this server goes by what it wrote itself, which
 * `local` keeps. `prefix` begins the keys, with the hash tag of the installation.
 */
export function createRedisFleeting(
  connection: RedisConnection,
  prefix: string,
  local: FleetingStore,
): FleetingStore {
  let restUntil = 0;
  const asking = async <Value>(
    ask: (client: RedisClient) => Promise<Value>,
    otherwise: () => Promise<Value>,
  ): Promise<Value> => {
    if (performance.now() < restUntil) return otherwise();
    try {
      return await connection.call(ask);
    } catch (error) {
      if (!(error instanceof LedgerUnavailable || error instanceof LedgerCorrupt)) throw error;
      restUntil = performance.now() + restMs;
      return otherwise();
    }
  };
  const at = (key: string): string => `${prefix}:${key}`;
  return {
    get: (key) =>
      asking(
        async (client) => (await client.get(at(key))) ?? undefined,
        () => local.get(key),
      ),
    async put(key, value, ttlMs) {
      await local.put(key, value, ttlMs);
      return asking(
        async (client) => (await client.set(at(key), value, 'PX', ttlMs)) === 'OK',
        async () => false,
      );
    },
    claim: (key, value, ttlMs) =>
      asking(
        async (client) => (await client.set(at(key), value, 'PX', ttlMs, 'NX', 'GET')) ?? undefined,
        () => local.claim(key, value, ttlMs),
      ),
    async count(key, windowMs) {
      const here = await local.count(key, windowMs);
      return asking(
        async (client) => Number(await runScript(client, countScript, at(key), [windowMs])),
        async () => here,
      );
    },
    async drop(key) {
      await local.drop(key);
      await asking<unknown>(
        (client) => client.del(at(key)),
        async () => undefined,
      );
    },
  };
}
