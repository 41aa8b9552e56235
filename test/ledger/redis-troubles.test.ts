import { rmSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { genesisHead, linkEntries } from '../../src/ledger/chain.ts';
import { LedgerCorrupt, LedgerUnavailable } from '../../src/ledger/ledger.ts';
import type { StoredLedger } from '../../src/ledger/ledger.ts';
import type { RedisAddress } from '../../src/ledger/redis/redis-address.ts';
import { ledgerKey, openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { appendScript } from '../../src/ledger/redis/scripts.ts';
import { portAddress } from '../lab/redis-ledgers.ts';
import { freePort, hasRedis, redisHint, startRedis, startRedisCluster } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { startRedisProxy } from '../lab/servers/redis-proxy.ts';
import { created, networkPut } from './samples.ts';

const timeouts = { connectMs: 1000, silenceMs: 1000 };
const loadSlowly = ['key-load-delay 10000', 'loading-process-events-interval-bytes 1024'];

let server: RedisServer;
let address: RedisAddress;
let ledger: StoredLedger;
const others: (() => Promise<void>)[] = [];
const open = (where: RedisAddress = address): StoredLedger => {
  const opened = openRedisLedger(where, { timeouts });
  others.push(() => opened.close());
  return opened;
};
const append = (to: StoredLedger = ledger): Promise<unknown> =>
  to.append(genesisHead.hash, 'test', [created]);
const problemOf = (work: Promise<unknown>): Promise<{ name: string; message: string }> =>
  work.then(
    () => ({ name: 'none', message: '' }),
    (error: Error) => ({ name: error.name, message: error.message }),
  );

describe.skipIf(!hasRedis)(`a Redis in trouble${redisHint}`, () => {
  beforeEach(async () => {
    server = await startRedis({ settings: loadSlowly });
    address = portAddress(server.port);
    ledger = open();
  });
  afterEach(async () => {
    for (const close of others.splice(0).reverse()) await close();
    await server.stop();
  });

  it.each<[string, RegExp, () => void]>([
    [
      'has no memory left',
      /its memory is used up \(maxmemory\): OOM/,
      () => server.cli('config', 'set', 'maxmemory', '1'),
    ],
    ['is a replica', /takes no writes: READONLY/, () => server.cli('replicaof', '127.0.0.1', '1')],
    [
      'has too few replicas',
      /min-replicas-to-write\): NOREPLICAS/,
      () => server.cli('config', 'set', 'min-replicas-to-write', '1'),
    ],
    [
      'cannot save',
      /cannot save to its disk.*MISCONF/,
      () => {
        server.cli('config', 'set', 'save', '3600 1');
        rmSync(server.directory, { recursive: true });
        server.cli('set', 'x', 'y');
        server.cli('bgsave');
        while (!server.cli('info', 'persistence').includes('rdb_last_bgsave_status:err'));
      },
    ],
  ])('refuses an append while it %s, says why, and takes it afterwards', async (_, says, break_) => {
    break_();
    expect(await problemOf(append())).toEqual({
      name: 'LedgerUnavailable',
      message: expect.stringMatching(says) as string,
    });
    for (const [name, value] of [
      ['maxmemory', '0'],
      ['min-replicas-to-write', '0'],
      ['stop-writes-on-bgsave-error', 'no'],
    ])
      server.cli('config', 'set', name ?? '', value ?? '');
    server.cli('replicaof', 'no', 'one');
    await expect.poll(() => problemOf(append()), { timeout: 10_000 }).toMatchObject({ name: 'none' });
    expect((await ledger.head()).sequence).toBe(1);
  });

  it('says that it is loading, and works when it has loaded', async () => {
    await append();
    server.cli(
      'eval',
      "for i = 1, 400 do redis.call('set', 'k' .. i, string.char(i % 90 + 32, i % 7 + 60) .. string.rep(tostring(math.random()), 80)) end",
      '0',
    );
    server.cli('save');
    await server.kill();
    await server.restart();
    expect(await problemOf(ledger.head())).toEqual({
      name: 'LedgerUnavailable',
      message: expect.stringContaining('reading its data set from the disk: LOADING') as string,
    });
    await expect.poll(() => problemOf(ledger.head()), { timeout: 25_000 }).toMatchObject({ name: 'none' });
    expect((await ledger.head()).sequence).toBe(1);
  });

  it('asks for a password, and does not take a wrong one', async () => {
    server.cli('config', 'set', 'requirepass', 'secret');
    expect(await problemOf(append(open()))).toMatchObject({
      name: 'LedgerUnavailable',
      message: expect.stringContaining('wants a user and password') as string,
    });
    const wrong = open({ ...address, password: 'other' });
    const { name, message } = await problemOf(append(wrong));
    expect(name).toBe('LedgerUnavailable');
    expect(message).toContain('WRONGPASS');
    expect(message).not.toContain('other');
    await append(open({ ...address, password: 'secret' }));
  });

  it('says that nobody answers, in bounded time: nothing listens, or the machine hangs', async () => {
    const nobody = open(portAddress(await freePort()));
    expect(await problemOf(nobody.head())).toMatchObject({
      name: 'LedgerUnavailable',
      message: expect.stringContaining('ECONNREFUSED') as string,
    });
    await ledger.head();
    server.freeze();
    expect(await problemOf(append())).toMatchObject({ name: 'LedgerUnavailable' });
    server.thaw();
    await expect.poll(() => problemOf(append()), { timeout: 10_000 }).toMatchObject({ name: 'none' });
  });

  it.each<[string, readonly string[]]>([
    ['something else than a stream', ['set', 'x']],
    ['an element that is not ours', ['xadd', '1-0', 'text', 'hello']],
    [
      'a number that is not ours',
      ['xadd', '1-5', 'at', '1', 'actor', 'a', 'data', 'b', 'previous', 'c', 'hash', 'd'],
    ],
    [
      'an entry with a false hash',
      [
        'xadd',
        '1-0',
        'at',
        '1',
        'actor',
        'a',
        'data',
        'b',
        'previous',
        '0'.repeat(64),
        'hash',
        'd'.repeat(64),
      ],
    ],
    [
      'an entry of the future',
      [
        'xadd',
        '7-0',
        'at',
        '1',
        'actor',
        'a',
        'data',
        'b',
        'previous',
        '0'.repeat(64),
        'hash',
        'd'.repeat(64),
      ],
    ],
  ])('calls a ledger corrupt that holds %s', async (_, [command = '', ...args]) => {
    server.cli(command, ledgerKey(address.prefix), ...args);
    await expect(Array.fromAsync(ledger.read(0))).rejects.toThrow(LedgerCorrupt);
    await expect(ledger.head()).rejects.toThrow(LedgerCorrupt);
    await expect(append()).rejects.toThrow();
  });

  it('calls a ledger corrupt whose beginning or middle was taken away', async () => {
    const entries = linkEntries(genesisHead, 1, 'test', [created, networkPut('a'), networkPut('b')]);
    await ledger.restore(entries);
    server.cli('xdel', ledgerKey(address.prefix), '2-0');
    await expect(Array.fromAsync(ledger.read(0))).rejects.toThrow('ledger entry 2 is missing');
  });

  it('finds its entries when the answer to an append is lost, and tells success', async () => {
    const proxy = await startRedisProxy(server.port);
    others.push(() => proxy.close());
    const throughProxy = open({ ...portAddress(proxy.port), prefix: address.prefix });
    await expect(throughProxy.head()).resolves.toEqual(genesisHead);
    // The server knows the script already.
    const other = open(portAddress(server.port));
    await append(other);
    proxy.loseAnswerTo(appendScript.sha1);
    const entries = await throughProxy.append(genesisHead.hash, 'test', [created]);
    expect(await Array.fromAsync(ledger.read(0))).toEqual(entries);
  });

  it('never writes what it has reported as not written, however late the request arrives', async () => {
    const proxy = await startRedisProxy(server.port);
    others.push(() => proxy.close());
    const throughProxy = open({ ...portAddress(proxy.port), prefix: address.prefix });
    await append(open(portAddress(server.port)));
    const held = proxy.hold(appendScript.sha1);
    const problem = problemOf(append(throughProxy));
    await held;
    expect(await problem).toMatchObject({ name: 'LedgerUnavailable' });
    const before = server.cli('info', 'commandstats');
    proxy.release();
    await expect.poll(() => server.cli('info', 'commandstats')).not.toBe(before);
    await expect
      .poll(() => Number(/cmdstat_evalsha:calls=(\d+)/.exec(server.cli('info', 'commandstats'))?.[1]))
      .toBeGreaterThan(3);
    expect(await ledger.head()).toEqual(genesisHead);
  });

  it('acknowledges nothing that too few replicas have, where that is asked for', async () => {
    const careful = open({ ...address, waitForReplicas: 1 });
    expect(await problemOf(append(careful))).toEqual({
      name: 'LedgerUnconfirmed',
      message: expect.stringContaining('the change was made, but 0 of 1 replicas') as string,
    });
    const [first] = await Array.fromAsync(ledger.read(0));
    const replica = await startRedis({
      settings: [`replicaof 127.0.0.1 ${server.port}`, 'repl-diskless-sync-delay 0'],
    });
    others.push(() => replica.stop());
    await expect.poll(() => server.cli('info', 'replication'), { timeout: 20_000 }).toContain('state=online');
    // The master counts it as soon as it has sent the copy; until the replica has read that, it confirms nothing.
    await expect
      .poll(() => replica.cli('info', 'replication'), { timeout: 20_000 })
      .toContain('master_link_status:up');
    await careful.append(first?.hash ?? '', 'test', [networkPut('a')]);
    expect(await open(portAddress(replica.port, { prefix: address.prefix })).head()).toMatchObject({
      sequence: 2,
    });
  });

  it('ends to follow with an error when the store has lost what it gave', async () => {
    await append();
    const followed = openRedisLedger(address, { timeouts, blockMs: 100 });
    others.push(() => followed.close());
    const entries = followed.follow(0, new AbortController().signal)[Symbol.asyncIterator]();
    await entries.next();
    const next = problemOf(entries.next());
    server.cli('flushall');
    expect(await next).toMatchObject({
      name: 'LedgerCorrupt',
      message: expect.stringContaining('has lost ledger entry 1') as string,
    });
  });
});

describe.skipIf(!hasRedis)(`a cluster in trouble${redisHint}`, () => {
  it('says that nobody has the slot of the ledger', async () => {
    const cluster = await startRedisCluster();
    const where = portAddress(cluster.servers[0]?.port ?? 0);
    const nodes = cluster.servers.map(({ port }) => ({ host: '127.0.0.1', port }));
    const opened = openRedisLedger({ ...where, topology: { kind: 'cluster', nodes } }, { timeouts });
    try {
      await opened.append(genesisHead.hash, 'test', [created]);
      const slot = cluster.servers[0]?.cli('cluster', 'keyslot', ledgerKey(where.prefix)) ?? '';
      for (const each of cluster.servers) each.cli('cluster', 'delslots', slot);
      await expect(opened.head()).rejects.toThrow(LedgerUnavailable);
      await expect(opened.head()).rejects.toThrow('the cluster has no master for the slot of the ledger');
    } finally {
      await opened.close();
      await cluster.stop();
    }
  });
});
