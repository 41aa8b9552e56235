import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parse } from 'yaml';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { RedisSettings } from '../../src/contract/redis-settings.ts';
import { redisCheck } from '../../src/doctor/checks/redis.ts';
import { genesisHead } from '../../src/ledger/chain.ts';
import { readRedisAddress } from '../../src/ledger/redis/redis-address.ts';
import { createPeople } from '../../src/control/people/people.ts';
import { createRedisPeople } from '../../src/control/people/redis-people.ts';
import { createSealer } from '../../src/identity/sealer.ts';
import { openRedisConnection } from '../../src/ledger/redis/redis-connection.ts';
import { openFleeting } from '../../src/control/fleeting/open-fleeting.ts';
import { openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { makeOrganization } from '../lab/pki.ts';
import { freePort, hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { created, networkPut } from './samples.ts';

// Sentinels take their time to agree.
vi.setConfig({ testTimeout: 120_000 });

/** What the guide tells people to write, by the heading or sentence it stands under. */
function blockAfter(sentence: string): string {
  const guide = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8');
  const from = guide.indexOf(sentence);
  return /```\w*\n([\s\S]*?)```/.exec(guide.slice(from))?.[1] ?? '';
}

const cleanUps: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

describe.skipIf(!hasRedis)(`the guide’s two zones with three sentinels${redisHint}`, () => {
  it('bring all changes back when Redis starts again, and let nobody in without a password', async () => {
    const settings = blockAfter('`redis.conf` of both servers')
      .split('\n')
      .filter((line) => /^(user|append)/.test(line));
    const cliArgs = ['--user', 'replication', '--pass', 'REPLICATION-PASSWORD', '--no-auth-warning'];
    const port = await freePort();
    const bare = { bare: true, port, cliArgs, settings: ['bind 127.0.0.1', `port ${port}`, ...settings] };
    const server = await startRedis(bare);
    cleanUps.push(() => server.stop());
    const directory = mkdtempSync(join(tmpdir(), 'postern-guide-'));
    cleanUps.push(() => rmSync(directory, { recursive: true }));
    writeFileSync(join(directory, 'redis-password'), 'PASSWORD\n', { mode: 0o600 });
    const url = `redis://127.0.0.1:${port}`;
    const as = { username: 'postern', passwordFile: 'redis-password', prefix: 'postern', waitForReplicas: 0 };
    const address = readRedisAddress({ url, ...as }, directory);
    const ledger = openRedisLedger(address);
    cleanUps.push(() => ledger.close());
    // Of several events, which Redis writes down as a transaction.
    const appended = await ledger.append(genesisHead.hash, 'test', [
      created,
      networkPut('a'),
      networkPut('b'),
    ]);
    const people = createPeople(
      createRedisPeople(openRedisConnection(address), address),
      createSealer((await makeOrganization()).authorities.device.privateKeyPem),
    );
    cleanUps.push(() => people.close());
    const pseudonym = await people.pseudonym('alice@example.org', Date.now());
    await server.kill();
    await server.restart();
    await expect.poll(() => ledger.head().catch(String)).toMatchObject({ sequence: 3 });
    expect(await Array.fromAsync(ledger.read(0))).toEqual(appended);
    await expect
      .poll(() => people.reidentify([pseudonym]).catch(String))
      .toEqual(new Map([[pseudonym, 'alice@example.org']]));
    expect(await people.destroy(new Set([String(await people.idOf('alice@example.org'))]))).toBe(1);

    const anyone = openRedisLedger(
      readRedisAddress({ url, prefix: 'postern', waitForReplicas: 0 }, directory),
    );
    cleanUps.push(() => anyone.close());
    await expect(anyone.head()).rejects.toThrow('NOAUTH');
  });

  it('work as they are written there, with TLS and access rules, through a failover', async () => {
    const organization = await makeOrganization();
    // For the name alone, as in the guide: a sentinel tells of the others by number.
    const { chainPem, keyPem } = await organization.issueControl({ dnsNames: ['localhost'], addresses: [] });
    const complaints = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    cleanUps.push(() => complaints.mockRestore());
    const directory = mkdtempSync(join(tmpdir(), 'postern-guide-'));
    cleanUps.push(() => rmSync(directory, { recursive: true }));
    const at = (name: string): string => join(directory, name);
    writeFileSync(at('tls.crt'), chainPem);
    writeFileSync(at('tls.key'), keyPem);
    writeFileSync(at('ca.crt'), organization.rootPem);
    for (const [name, password] of [
      ['redis-password', 'PASSWORD'],
      ['sentinel-password', 'SENTINEL-PASSWORD'],
    ] as const)
      writeFileSync(at(name), `${password}\n`, { mode: 0o600 });
    writeFileSync(at('redis-ca.pem'), organization.rootPem);

    const ports = [await freePort(), await freePort()] as const;
    /** Only what names this machine is another: hosts, ports, paths. */
    const here = (lines: string, port: number): string[] =>
      lines
        .replaceAll(/^bind .*$/gm, 'bind 127.0.0.1')
        .replaceAll(/^tls-port .*$/gm, `tls-port ${port}`)
        .replaceAll('/etc/redis/', `${directory}/`)
        .replaceAll('redis-1.example.org 6379', `localhost ${ports[0]}`)
        .replaceAll('redis-1.example.org', 'localhost')
        .split('\n');
    const servers: RedisServer[] = [];
    const start = async (
      settings: readonly string[],
      port: number,
      cliArgs: readonly string[],
      sentinel = false,
    ) => {
      const server = await startRedis({
        bare: true,
        settings,
        port,
        sentinel,
        cliArgs: ['--tls', '--cacert', at('ca.crt'), ...cliArgs],
      });
      servers.push(server);
      cleanUps.push(() => server.stop());
      return server;
    };
    const asReplication = ['--user', 'replication', '--pass', 'REPLICATION-PASSWORD', '--no-auth-warning'];
    const settings = blockAfter('`redis.conf` of both servers');
    const master = await start(here(settings, ports[0]), ports[0], asReplication);
    const replica = await start(
      [...here(settings, ports[1]), `replicaof localhost ${ports[0]}`],
      ports[1],
      asReplication,
    );
    await expect.poll(() => master.cli('info', 'replication'), { timeout: 30_000 }).toContain('state=online');

    const sentinelSettings = blockAfter('`sentinel.conf` of each sentinel').replace(
      'down-after-milliseconds postern 5000',
      'down-after-milliseconds postern 1500',
    );
    const asSentinel = ['--pass', 'SENTINEL-PASSWORD', '--no-auth-warning'];
    const sentinelPorts = [await freePort(), await freePort(), await freePort()];
    const sentinels = [];
    for (const port of sentinelPorts)
      sentinels.push(await start(here(sentinelSettings, port), port, asSentinel, true));
    for (const sentinel of sentinels) {
      await expect
        .poll(() => sentinel.cli('sentinel', 'ckquorum', 'postern'), { timeout: 30_000 })
        .toMatch(/^OK 3 /);
      await expect
        .poll(() => sentinel.cli('sentinel', 'replicas', 'postern'), { timeout: 30_000 })
        .toContain(String(ports[1]));
    }

    const section = parse(blockAfter('keys are not in the ledger')) as { ledger: { redis: RedisSettings } };
    const { redis } = section.ledger;
    const urls = sentinelPorts.map((port) => `rediss://localhost:${port}`);
    const address = readRedisAddress({ ...redis, sentinels: urls }, directory);
    const ledger = openRedisLedger(address);
    cleanUps.push(() => ledger.close());
    const [first] = await ledger.append(genesisHead.hash, 'test', [created]);
    expect(await Array.fromAsync(ledger.read(0))).toEqual([first]);

    // Closed while handshakes with sentinels are under way, and some of these met under a name that their certificate is not for.
    const mixed = urls.map((url, index) => (index === 0 ? url : url.replace('localhost', '127.0.0.1')));
    for (const sentinelUrls of [urls, mixed, urls, mixed, urls, mixed, urls, mixed]) {
      const other = openRedisLedger(readRedisAddress({ ...redis, sentinels: sentinelUrls }, directory));
      expect(await other.head()).toMatchObject({ sequence: 1 });
      await other.close();
    }

    const facts = {
      settings: { ledger: { redis: { ...redis, sentinels: urls } } },
      configFile: at('postern.yaml'),
    };
    expect(await redisCheck.run(facts as never)).toMatchObject([{ level: 'ok' }]);

    // What one server says the other hears, by way of Redis and with what the rules allow.
    const [one, other] = [1, 2].map(() => openFleeting(facts.settings as never, facts.configFile, Date.now));
    cleanUps.push(() => one?.close());
    cleanUps.push(() => other?.close());
    const heard: string[] = [];
    other?.signals('posture-requests').listen((device) => void heard.push(device));
    const signals = one?.signals('posture-requests');
    await expect
      .poll(async () => signals?.send('d-1').then(() => heard), { timeout: 30_000 })
      .toContain('d-1');

    await master.kill();
    // The one that is left takes no changes until it has a replica again (min-replicas-to-write), but is read.
    await expect.poll(() => replica.cli('role'), { timeout: 60_000 }).toMatch(/^master/);
    await expect.poll(() => ledger.head().catch(String), { timeout: 30_000 }).toMatchObject({ sequence: 1 });
    await expect(ledger.append(first?.hash ?? '', 'test', [networkPut('a')])).rejects.toThrow('NOREPLICAS');
    await master.restart();
    const appended = (): Promise<unknown> =>
      ledger.append(first?.hash ?? '', 'test', [networkPut('a')]).then(() => 'done', String);
    await expect.poll(appended, { timeout: 60_000 }).toBe('done');
    expect(complaints.mock.calls).toEqual([]);
  });
});
