import { dirname } from 'node:path';
import { Cluster } from 'ioredis';
import type { Redis } from 'ioredis';
import { LedgerUnavailable } from '../../ledger/ledger.ts';
import { readRedisAddress } from '../../ledger/redis/redis-address.ts';
import { openRedisConnection } from '../../ledger/redis/redis-connection.ts';
import type { RedisConnection } from '../../ledger/redis/redis-connection.ts';
import { isReply } from '../../ledger/redis/redis-errors.ts';
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
    let connection: RedisConnection | undefined;
    try {
      connection = openRedisConnection(readRedisAddress(ledger.redis, dirname(configFile)));
      await connection.call((client) => client.ping());
    } catch (error) {
      connection?.close();
      if (!(error instanceof LedgerUnavailable)) throw error;
      return [{ level: 'error', what: error.message, how: adviceFor(error) }];
    }
    try {
      return await judgeAll(connection);
    } finally {
      connection.close();
    }
  },
};

/** A server that answered is there: what it asks for is in the settings or in its own. */
function adviceFor({ cause }: LedgerUnavailable): string {
  const meanwhile = 'flows go on meanwhile, changes do not';
  if (cause === undefined) return 'mend that file, or the setting under ledger.redis that names it';
  return isReply(cause)
    ? `make the settings under ledger.redis and the access rules of Redis (docs/redis.md) fit together; ${meanwhile}`
    : `start it, or mend the way to it; ${meanwhile}`;
}

/** Each master of a cluster may come to have the ledger. */
async function judgeAll(connection: RedisConnection): Promise<readonly Finding[]> {
  const masters = await connection.call(async (client) =>
    client instanceof Cluster ? client.nodes('master') : [client],
  );
  const found = await Promise.all(
    masters.map(async (master) => {
      const { host, port } = master.options;
      const name = masters.length === 1 ? 'Redis' : `Redis at ${host}:${port}`;
      return judge(name, (ask) => connection.call(() => ask(master)));
    }),
  );
  const problems = found.flat().filter(({ level }) => level !== 'ok');
  return problems.length > 0 ? problems : (found[0] ?? []);
}

async function judge(
  name: string,
  call: <Value>(ask: (server: Redis) => Promise<Value>) => Promise<Value>,
): Promise<readonly Finding[]> {
  const info = parseInfo(await call((server) => server.info()));
  const found: Finding[] = [];
  if (info.get('aof_enabled') !== '1')
    found.push({
      level: 'error',
      what: `${name} does not write each change to its disk (appendonly no): a restart loses devices, policies and revocations`,
      how: 'appendonly yes and appendfsync always in redis.conf; now: redis-cli CONFIG SET appendonly yes',
    });
  const policy = info.get('maxmemory_policy');
  if (policy !== undefined && policy !== 'noeviction')
    found.push({
      level: 'error',
      what: `${name} may throw the ledger out to make room (maxmemory-policy ${policy})`,
      how: 'maxmemory-policy noeviction in redis.conf; now: redis-cli CONFIG SET maxmemory-policy noeviction',
    });
  // INFO does not say it, and many a user may not ask.
  const fsync = await call((server) => server.call('CONFIG', 'GET', 'appendfsync')).catch(() => undefined);
  if (Array.isArray(fsync) && fsync[1] === 'no')
    found.push({
      level: 'warning',
      what: `${name} leaves it to the system when to write (appendfsync no): a power cut loses half a minute`,
      how: 'appendfsync always in redis.conf',
    });
  // Said where at least one is asked for.
  const replicas = info.get('min_slaves_good_slaves');
  const wanted = await call((server) => server.call('CONFIG', 'GET', 'min-replicas-to-write')).catch(
    () => undefined,
  );
  if (replicas !== undefined && Array.isArray(wanted) && Number(replicas) < Number(wanted[1]))
    found.push({
      level: 'error',
      what: `${name} refuses every change: ${replicas} of its replicas keep up, and it wants ${String(wanted[1])} (min-replicas-to-write)`,
      how: 'bring a replica back; how to revoke a laptop until then: docs/redis.md, Two zones, three sentinels',
    });
  if (info.get('aof_last_write_status') === 'err' || info.get('rdb_last_bgsave_status') === 'err')
    found.push({
      level: 'error',
      what: `${name} could not write to its disk`,
      how: 'see its log; the disk may be full',
    });
  const maxBytes = Number(info.get('maxmemory') ?? 0);
  const share = maxBytes === 0 ? 0 : Number(info.get('used_memory')) / maxBytes;
  if (share > 0.9)
    found.push({
      level: 'warning',
      what: `${name} uses ${Math.round(share * 100)} % of the memory that it may`,
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
