import { rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { announceServer } from '../../src/control/fleeting/server-presence.ts';
import { openLedger } from '../../src/control/store/open-ledger.ts';
import { loadSettings } from '../../src/control/settings-file.ts';
import { clockCheck } from '../../src/doctor/checks/clock.ts';
import { ledgerCheck } from '../../src/doctor/checks/ledger.ts';
import { redisCheck } from '../../src/doctor/checks/redis.ts';
import { serversCheck } from '../../src/doctor/checks/servers.ts';
import { copyLedger } from '../../src/ledger/copy-ledger.ts';
import type { StoredLedger } from '../../src/ledger/ledger.ts';
import { readRedisAddress } from '../../src/ledger/redis/redis-address.ts';
import { openRedisConnection } from '../../src/ledger/redis/redis-connection.ts';
import { ledgerKey } from '../../src/ledger/redis/redis-ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { freshPrefix } from '../lab/redis-ledgers.ts';
import { hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { startServing } from '../lab/serving.ts';
import { find, inShort, set } from './doctor-lab.ts';

// Some start a server, and a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000 });

/** Another actor in the third entry: a stream is written anew for that. */
const alterScript = `
local entries = redis.call('XRANGE', KEYS[1], '-', '+')
redis.call('DEL', KEYS[1])
for i, entry in ipairs(entries) do
  if i == 3 then entry[2][4] = 'another' end
  redis.call('XADD', KEYS[1], entry[1], unpack(entry[2]))
end`;

describe.skipIf(!hasRedis)(`the Redis of the ledger${redisHint}`, () => {
  let server: RedisServer;
  let made: Installation;
  const fillFromEmbedded = async (): Promise<void> => {
    const source = openSqliteLedger(join(made.data, 'ledger.db'));
    const target = openLedger(loadSettings(made.configFile), made.configFile) as StoredLedger;
    await copyLedger(source, target);
    await target.close();
    await source.close();
  };
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    made = await makeInstallation();
    await set(made, ['ledger'], {
      redis: { url: `redis://127.0.0.1:${server.port}`, prefix: freshPrefix() },
    });
    await fillFromEmbedded();
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

  it('that takes no change for want of replicas is an error', async () => {
    server.cli('config', 'set', 'min-replicas-to-write', '1');
    try {
      expect(inShort(await find(redisCheck, made))).toEqual([
        'error: Redis refuses every change: 0 of its replicas keep up, and it wants 1 (min-replicas-to-write)',
      ]);
    } finally {
      server.cli('config', 'set', 'min-replicas-to-write', '0');
    }
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

  const serveOnce = async (): Promise<void> => {
    const serving = await startServing(made.configFile, 'control');
    await serving.kill();
  };
  const key = (): string => {
    const { ledger } = loadSettings(made.configFile);
    return ledger !== undefined && 'redis' in ledger ? ledgerKey(ledger.redis.prefix) : '';
  };

  it('that is away is an error with the address, and no reason to touch the ledger', async () => {
    await set(made, ['ledger', 'redis', 'url'], 'redis://127.0.0.1:1');
    expect(await find(redisCheck, made)).toEqual([
      {
        level: 'error',
        what: 'Redis at redis://127.0.0.1:1 does not answer: nothing listens there (ECONNREFUSED 127.0.0.1 port 1)',
        how: 'start it, or mend the way to it; flows go on meanwhile, changes do not',
      },
    ]);
    expect(await find(ledgerCheck, made)).toEqual([
      {
        level: 'unknown',
        what: expect.stringContaining('nothing listens there'),
        how: 'see the line `redis`; servers go on by what each has on its own disk',
      },
    ]);
  });

  it('that wants a password is not told to be started, nor is a password that all can read passed over', async () => {
    server.cli('config', 'set', 'requirepass', 'secret');
    try {
      expect(await find(redisCheck, made)).toEqual([
        {
          level: 'error',
          what: expect.stringContaining('it wants a user and password (username, passwordFile): NOAUTH'),
          how: expect.stringMatching(/^make the settings under ledger\.redis and the access rules/),
        },
      ]);
    } finally {
      server.cli('-a', 'secret', 'config', 'set', 'requirepass', '');
    }
    await writeFile(join(made.data, 'redis-password'), 'secret\n', { mode: 0o644 });
    await set(made, ['ledger', 'redis', 'passwordFile'], 'redis-password');
    expect(await find(redisCheck, made)).toEqual([
      {
        level: 'error',
        what: expect.stringContaining('can be read by every user of this machine: chmod o='),
        how: 'mend that file, or the setting under ledger.redis that names it',
      },
    ]);
  });

  it('that is empty is filled by a server that has the ledger on its disk, as the advice says', async () => {
    server.cli('del', key());
    const [without] = await find(ledgerCheck, made);
    expect(without).toMatchObject({
      level: 'error',
      what: 'the ledger is empty',
      how: expect.stringMatching(/^let postern run on a server that has ledger-replica\.db /),
    });
    await rm(join(made.data, 'ledger.db.snapshot'), { force: true });
    await fillFromEmbedded();
    await serveOnce();
    server.cli('del', key());
    const [empty] = await find(ledgerCheck, made);
    expect(empty).toMatchObject({
      level: 'error',
      how: expect.stringMatching(/^let postern run on this server: it gives Redis back/),
    });
    await serveOnce();
    expect((await find(ledgerCheck, made))[0]?.level).toBe('ok');
  });

  it('that has lost a part before its end gets it from a server, as the advice says', async () => {
    await serveOnce();
    for (const [ids, what] of [
      [['1-0', '2-0'], 'Redis has lost entries 1 to 2 of the ledger, and kept what came after'],
      [
        ['4-0'],
        'Redis has lost 1 entries between its first and its last of the ledger, and kept what came after',
      ],
    ] as const) {
      server.cli('xdel', key(), ...ids);
      expect(await find(ledgerCheck, made)).toEqual([
        {
          level: 'error',
          what,
          how: expect.stringMatching(/^let postern run on this server: it gives Redis back/),
        },
      ]);
      await serveOnce();
      expect((await find(ledgerCheck, made))[0]?.level).toBe('ok');
    }
  });

  it('that does not let us count is a warning', async () => {
    server.cli('acl', 'setuser', 'default', '-xlen');
    try {
      expect(inShort(await find(ledgerCheck, made))).toEqual([
        expect.stringMatching(/^ok: whole: 6 entries/),
        expect.stringMatching(/^warning: Redis does not let our user count the entries \(XLEN\)/),
      ]);
    } finally {
      server.cli('acl', 'setuser', 'default', '+xlen');
    }
  });

  it('that was altered is moved away and filled again, as the advice says', async () => {
    await serveOnce();
    await rm(join(made.data, 'ledger.db.snapshot'), { force: true });
    const third = server.cli('--json', 'xrange', key(), '3-0', '+');
    server.cli('eval', alterScript, '1', key());
    expect(server.cli('--json', 'xrange', key(), '3-0', '+')).not.toBe(third);
    const [altered] = await find(ledgerCheck, made);
    expect(altered).toMatchObject({ level: 'error', what: expect.stringContaining('entry 3') });
    const [, from = '', to = ''] = /RENAME '(\S+)' '(\S+)'/.exec(altered?.how ?? '') ?? [];
    expect(server.cli('rename', from, to)).toBe('OK');
    await serveOnce();
    expect((await find(ledgerCheck, made))[0]?.level).toBe('ok');
  });

  it('tells of servers that share it: other versions, clocks that differ, and none at all', async () => {
    expect(inShort(await find(serversCheck, made))).toEqual([
      'unknown: no server has shown itself in Redis within the last minute',
    ]);
    const serving = await startServing(made.configFile, 'control');
    try {
      await expect
        .poll(async () => inShort(await find(serversCheck, made)), { timeout: 20_000 })
        .toEqual([`ok: in Redis: ${hostname()} (control), all of one version`]);
      const { ledger } = loadSettings(made.configFile);
      if (ledger === undefined || !('redis' in ledger)) throw new Error('no Redis');
      const connection = openRedisConnection(readRedisAddress(ledger.redis, made.data));
      const other = { id: 'b', name: 'gate-b', gateway: 'gw', role: 'gateway', version: '0.0.9' } as const;
      await announceServer(connection, ledger.redis.prefix, { ...other, clockMs: Date.now() - 90_000 });
      connection.close();
      expect(inShort(await find(serversCheck, made))).toEqual([
        expect.stringMatching(
          /^warning: servers that share this ledger differ: 0\.0\.9 at gate-b; .* at .*; installed at /,
        ),
        expect.stringMatching(/^error: the clock of gate-b is (89|9[01]) s behind that of Redis$/),
      ]);
    } finally {
      await serving.kill();
    }
  });
});
