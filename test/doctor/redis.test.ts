import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openLedger } from '../../src/control/open-ledger.ts';
import { loadSettings } from '../../src/control/settings-file.ts';
import { clockCheck } from '../../src/doctor/checks/clock.ts';
import { ledgerCheck } from '../../src/doctor/checks/ledger.ts';
import { redisCheck } from '../../src/doctor/checks/redis.ts';
import { copyLedger } from '../../src/ledger/copy-ledger.ts';
import type { StoredLedger } from '../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { freshPrefix } from '../lab/redis-ledgers.ts';
import { hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { find, inShort, set } from './doctor-lab.ts';

describe.skipIf(!hasRedis)(`the Redis of the ledger${redisHint}`, () => {
  let server: RedisServer;
  let made: Installation;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    made = await makeInstallation();
    await set(made, ['ledger'], {
      redis: { url: `redis://127.0.0.1:${server.port}`, prefix: freshPrefix() },
    });
    const source = openSqliteLedger(join(made.data, 'ledger.db'));
    const target = openLedger(loadSettings(made.configFile), made.configFile) as StoredLedger;
    await copyLedger(source, target);
    await target.close();
    await source.close();
    for (const [name, value] of [
      ['appendonly', 'yes'],
      ['appendfsync', 'always'],
      ['maxmemory-policy', 'noeviction'],
    ] as const)
      server.cli('config', 'set', name, value);
  });
  afterEach(async () => {
    vi.useRealTimers();
    await made.remove();
  });

  it('that keeps what it is given is fine', async () => {
    expect(inShort(await find(redisCheck, made))).toEqual([
      expect.stringMatching(/^ok: Redis \d.* keeps what it is given$/),
    ]);
    expect((await find(ledgerCheck, made))[0]).toMatchObject({
      level: 'ok',
      what: expect.stringMatching(/^whole: 6 entries/),
    });
  });

  it('is to write to its disk and to throw nothing out', async () => {
    server.cli('config', 'set', 'appendonly', 'no');
    server.cli('config', 'set', 'maxmemory-policy', 'allkeys-lru');
    server.cli('config', 'set', 'appendfsync', 'no');
    expect(inShort(await find(redisCheck, made))).toEqual([
      'error: Redis does not write each change to its disk (appendonly no): a restart loses devices, policies and revocations',
      'error: Redis may throw the ledger out to make room (maxmemory-policy allkeys-lru)',
      'warning: Redis leaves it to the system when to write (appendfsync no): a power cut loses half a minute',
    ]);
  });

  it('that denies CONFIG is judged by what INFO says', async () => {
    server.cli('config', 'set', 'maxmemory-policy', 'volatile-ttl');
    server.cli('acl', 'setuser', 'default', '-config');
    try {
      expect(inShort(await find(redisCheck, made))).toEqual([
        'error: Redis may throw the ledger out to make room (maxmemory-policy volatile-ttl)',
      ]);
    } finally {
      server.cli('acl', 'setuser', 'default', '+config');
    }
  });

  it('has a clock that ours is compared with', async () => {
    expect(await find(clockCheck, made)).toEqual([{ level: 'ok', what: 'agrees with Redis' }]);
    // Our clock is moved, the one of Redis is real.
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 120_000 });
    const [found] = await find(clockCheck, made);
    expect(found).toMatchObject({
      level: 'error',
      what: expect.stringMatching(/^this clock is 1(19|2[01]) s ahead of that of Redis$/),
    });
  });

  it('that is away is an error, with the address', async () => {
    await set(made, ['ledger', 'redis', 'url'], 'redis://127.0.0.1:1');
    expect(inShort(await find(redisCheck, made))).toEqual([
      expect.stringMatching(/^error: .*127\.0\.0\.1:1/),
    ]);
  });
});
