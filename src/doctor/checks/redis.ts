import { dirname } from 'node:path';
import { readRedisAddress } from '../../ledger/redis/redis-address.ts';
import { openRedisConnection } from '../../ledger/redis/redis-connection.ts';
import type { RedisConnection } from '../../ledger/redis/redis-connection.ts';
import type { Check, Finding } from '../finding.ts';
import { ok } from '../finding.ts';

/** Whether the Redis that keeps the ledger keeps it: answers, writes to its disk, and throws nothing out to make room. */
export const redisCheck: Check = {
  name: 'redis',
  limitMs: 15_000,
  async run({ settings, configFile }) {
    const { ledger } = settings;
    if (ledger === undefined || !('redis' in ledger))
      return ok('not used: the ledger is in the data directory');
    const connection = openRedisConnection(readRedisAddress(ledger.redis, dirname(configFile)));
    try {
      await connection.call((client) => client.ping());
    } catch (error) {
      connection.close();
      const how = 'start it, or mend the way to it; flows go on meanwhile, changes do not';
      return [{ level: 'error', what: (error as Error).message, how }];
    }
    try {
      return await judge(connection);
    } finally {
      connection.close();
    }
  },
};

async function judge(connection: RedisConnection): Promise<readonly Finding[]> {
  const info = parseInfo(await connection.call((client) => client.info()));
  const found: Finding[] = [];
  if (info.get('aof_enabled') !== '1')
    found.push({
      level: 'error',
      what: 'Redis does not write each change to its disk (appendonly no): a restart loses devices, policies and revocations',
      how: 'appendonly yes and appendfsync always in redis.conf; now: redis-cli CONFIG SET appendonly yes',
    });
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction')
    found.push({
      level: 'error',
      what: `Redis may throw the ledger out to make room (maxmemory-policy ${policy})`,
      how: 'maxmemory-policy noeviction in redis.conf; now: redis-cli CONFIG SET maxmemory-policy noeviction',
    });
  // INFO does not say it, and many a user may not ask.
  const fsync = await connection
    .call((client) => client.call('CONFIG', 'GET', 'appendfsync'))
    .catch(() => undefined);
  if (Array.isArray(fsync) && fsync[1] === 'no')
    found.push({
      level: 'warning',
      what: 'Redis leaves it to the system when to write (appendfsync no): a power cut loses half a minute',
      how: 'appendfsync always in redis.conf',
    });
  if (info.get('aof_last_write_status') === 'err' || info.get('rdb_last_bgsave_status') === 'err')
    found.push({
      level: 'error',
      what: 'Redis could not write to its disk',
      how: 'see its log; the disk may be full',
    });
  const maxBytes = Number(info.get('maxmemory') ?? 0);
  const share = maxBytes === 0 ? 0 : Number(info.get('used_memory')) / maxBytes;
  if (share > 0.9)
    found.push({
      level: 'warning',
      what: `Redis uses ${Math.round(share * 100)} % of the memory that it may`,
      how: 'raise maxmemory: full, it refuses every change',
    });
  return found.length > 0 ? found : ok(`Redis ${info.get('redis_version') ?? ''} keeps what it is given`);
}

/** Lines of `name:value`, as INFO answers. */
const parseInfo = (text: string): Map<string, string> =>
  new Map(
    text.split('\r\n').flatMap((line): [string, string][] => {
      const at = line.indexOf(':');
      return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1)]];
    }),
  );
