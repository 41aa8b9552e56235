import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import type { ClockOffset } from '../contract/ipc.ts';
import type { Settings } from '../contract/settings.ts';
import { readRedisAddress } from '../ledger/redis/redis-address.ts';
import type { RedisClient } from '../ledger/redis/redis-client.ts';
import { openRedisConnection } from '../ledger/redis/redis-connection.ts';

const run = promisify(execFile);
/** Absolute: there is no search path for a process that has keys. */
const chronyc = '/usr/bin/chronyc';
const limitMs = 3000;

/** How far Redis' clock is ahead of ours, in milliseconds; undefined where there is none, or it does not answer. */
export async function redisClockAheadMs(settings: Settings, configFile: string): Promise<number | undefined> {
  const { ledger } = settings;
  if (ledger === undefined || !('redis' in ledger)) return undefined;
  const connection = openRedisConnection(readRedisAddress(ledger.redis, dirname(configFile)));
  try {
    const before = Date.now();
    const [at = 0, micros = 0] = (await connection.call((client: RedisClient) => client.time())).map(Number);
    const middle = (before + Date.now()) / 2;
    return at * 1000 + micros / 1000 - middle;
  } catch {
    return undefined;
  } finally {
    connection.close();
  }
}

/**
 * How far this machine's clock is off, by whoever can be asked: the Redis that servers share, whose clock all of them can
 * be held against, or else a chrony that runs here. Never rejects; where nobody can be asked, it says so.
 */
export async function measureClock(settings: Settings, configFile: string): Promise<ClockOffset> {
  const aheadMs = await redisClockAheadMs(settings, configFile);
  if (aheadMs !== undefined) return { offsetMs: Math.round(-aheadMs), against: 'redis' };
  if (!existsSync(chronyc)) return { offsetMs: null, against: null };
  try {
    const { stdout } = await run(chronyc, ['-c', '-n', 'tracking'], { timeout: limitMs, env: {} });
    return readTracking(stdout);
  } catch {
    return { offsetMs: null, against: null };
  }
}

/**
 * The fifth field of `chronyc -c tracking` is how many seconds the system's clock is behind true time (positive: behind),
 * as the manual of chronyc says; the last is how the leap second stands, `Not synchronised` without a source.
 */
export function readTracking(line: string): ClockOffset {
  const fields = line.trim().split(',');
  const seconds = Number(fields[4]);
  return fields.length < 14 || fields.at(-1) === 'Not synchronised' || !Number.isFinite(seconds)
    ? { offsetMs: null, against: null }
    : { offsetMs: Math.round(-seconds * 1000), against: 'chrony' };
}
