import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import type { LedgerEntry } from '../../src/domain/events.ts';
import { linkEntries } from '../../src/ledger/chain.ts';
import { openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { keepLostEntries } from '../../src/ledger/replica/lost-entries.ts';
import { moveToRedis } from '../lab/redis-installation.ts';
import type { RedisInstallation } from '../lab/redis-installation.ts';
import { hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { enrolled, networkPut, tokenCreated } from '../ledger/samples.ts';
import { runPostern } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

let redis: RedisServer;
let made: RedisInstallation;
let lostDirectory: string;
const recover = (...args: readonly string[]): ReturnType<typeof runPostern> =>
  runPostern(['ledger', 'recover', '--config', made.configFile, ...args]);
const inStore = async (): Promise<LedgerEntry[]> => {
  const ledger = openRedisLedger(made.address);
  const entries = await Array.fromAsync(ledger.read(0));
  await ledger.close();
  return entries;
};

describe.skipIf(!hasRedis)(`what the store lost${redisHint}`, () => {
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis?.stop());
  beforeEach(async () => {
    made = await moveToRedis(redis.port);
    lostDirectory = join(made.data, 'ledger-lost');
  });
  afterEach(() => made.remove());

  it('is nothing in a healthy installation', async () => {
    expect(await recover()).toEqual({ code: 0, out: 'Nothing was lost.\n', err: '' });
    expect(await recover('--apply', 'missing')).toMatchObject({
      code: 2,
      err: 'postern: nothing is missing\n',
    });
  });

  it('is shown with what is back, made again when chosen, all of it or nothing, and settled', async () => {
    const before = await inStore();
    const ancestor = { sequence: before.length, hash: before.at(-1)?.hash ?? '' };
    const events = [networkPut('a'), tokenCreated('t1'), enrolled('d1', 't1'), networkPut('b')];
    const entries = linkEntries(ancestor, Date.now(), 'api-key:admin', events);
    keepLostEntries(lostDirectory, { ancestor, entries });
    const ledger = openRedisLedger(made.address);
    await ledger.append(ancestor.hash, 'other', [networkPut('a')]);
    await ledger.close();
    const first = ancestor.sequence + 1;

    const shown = await recover();
    expect(shown.code).toBe(1);
    expect(
      shown.out.split('\n').map((line) => line.replaceAll(/ +/g, ' ').replace(/ \d{4}-\S+ \S+ /, ' ')),
    ).toEqual([
      'NUMBER AT WHO WHAT NOW',
      `${first} api-key:admin resource-put Network a back`,
      `${first + 1} api-key:admin enrollment-token-created t1 alice@example.org laptop missing`,
      `${first + 2} api-key:admin device-enrolled d1 t1 alice@example.org laptop missing`,
      `${first + 3} api-key:admin resource-put Network b missing`,
      '',
    ]);

    const alone = await recover('--apply', String(first + 2));
    expect(alone).toMatchObject({
      code: 1,
      err: expect.stringContaining('nothing was made again') as string,
    });
    expect(await recover('--apply', '7000')).toMatchObject({ code: 2 });
    expect((await inStore()).length).toBe(first);

    const applied = await recover('--apply', `${first + 1},${first + 2}`, '-o', 'json');
    expect(applied.code).toBe(1);
    expect((JSON.parse(applied.out) as { state: string }[]).map(({ state }) => state)).toEqual([
      'back',
      'back',
      'back',
      'missing',
    ]);
    expect((await inStore()).slice(first).map(({ actor }) => actor)).toEqual([
      'postern:recovery',
      'postern:recovery',
    ]);
    expect((await recover('--settle')).code).toBe(0);
    expect((await recover()).out).toBe('Nothing was lost.\n');
    expect(readdirSync(lostDirectory)).toEqual([expect.stringMatching(/\.json\.settled$/)]);
  });

  it('is not taken from a file that someone changed', async () => {
    const before = await inStore();
    const ancestor = { sequence: before.length, hash: before.at(-1)?.hash ?? '' };
    const entries = linkEntries(ancestor, Date.now(), 'api-key:admin', [networkPut('a')]).map((entry) => ({
      ...entry,
      data: entry.data.replace('"a"', '"z"'),
    }));
    mkdirSync(lostDirectory);
    keepLostEntries(lostDirectory, { ancestor, entries });
    expect(await recover('--apply', 'missing')).toMatchObject({
      code: 1,
      err: expect.stringContaining('is damaged') as string,
    });
  });
});
