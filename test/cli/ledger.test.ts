import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { ledgerKey } from '../../src/ledger/redis/redis-ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { freshPrefix, portAddress } from '../lab/redis-ledgers.ts';
import { freePort, hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { networkPut } from '../ledger/samples.ts';
import { runPostern } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

let made: Installation;
beforeEach(async () => {
  made = await makeInstallation();
});
afterEach(() => made.remove());

describe('the embedded ledger', () => {
  it('is whole, and ends where head says', async () => {
    const head = await runPostern(['ledger', 'head', '--config', made.configFile, '-o', 'json']);
    const { sequence, hash } = JSON.parse(head.out) as { sequence: number; hash: string };
    const stored = openSqliteLedger(join(made.data, 'ledger.db'));
    expect({ sequence, hash }).toEqual(await stored.head());
    await stored.close();
    const verify = await runPostern(['ledger', 'verify', '--config', made.configFile]);
    expect(verify).toEqual({
      code: 0,
      out: `Whole: ${sequence} entries, the last with hash ${hash}.\n`,
      err: '',
    });
  });

  it('is not whole when a byte of an entry was changed', async () => {
    const path = join(made.data, 'ledger.db');
    const bytes = await readFile(path);
    const at = bytes.indexOf('example.org');
    bytes.write('f', at, 'latin1');
    await writeFile(path, bytes);
    const { code, out, err } = await runPostern(['ledger', 'verify', '--config', made.configFile]);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(err).toContain('ledger entry 1 was altered');
  });
});

describe.skipIf(!hasRedis)(`copying to Redis${redisHint}`, () => {
  let server: RedisServer;
  let directory: string;
  let prefix: string;
  beforeAll(async () => {
    server = await startRedis();
    directory = await mkdtemp(join(tmpdir(), 'postern-copy-'));
  });
  afterAll(async () => {
    await server?.stop();
    await rm(directory, { recursive: true });
  });
  beforeEach(() => {
    prefix = freshPrefix();
  });
  const copy = (...args: readonly string[]): ReturnType<typeof runPostern> =>
    runPostern(['ledger', 'copy', '--config', made.configFile, ...args]);
  const toRedis = (): string[] => ['--redis', `redis://127.0.0.1:${server.port}`, '--prefix', prefix];
  const entries = async (): Promise<unknown[]> => {
    const ledger = openRedisLedger(portAddress(server.port, { prefix }));
    const all = await Array.fromAsync(ledger.read(0));
    await ledger.close();
    return all;
  };
  const embedded = async (work?: 'append'): Promise<unknown[]> => {
    const ledger = openSqliteLedger(join(made.data, 'ledger.db'));
    if (work === 'append') await ledger.append((await ledger.head()).hash, 'test', [networkPut('a')]);
    const all = await Array.fromAsync(ledger.read(0));
    await ledger.close();
    return all;
  };

  it('copies byte for byte, does nothing the second time, and brings what came since', async () => {
    const settings = join(directory, 'with-redis.yaml');
    const text = await readFile(made.configFile, 'utf8');
    const section = `redis: { url: "redis://127.0.0.1:${server.port}", prefix: ${prefix} }`;
    await writeFile(settings, text.replace('embedded: true', section));
    const { length } = await embedded();
    const { code, out } = await copy('--to', settings);
    expect(code).toBe(0);
    expect(out).toContain(`Copied ${length} entries; 0 were there. The target is whole: ${length} entries`);
    expect(await entries()).toEqual(await embedded());
    expect((await copy(...toRedis())).out).toContain(`Copied 0 entries; ${length} were there`);
    await embedded('append');
    expect((await copy(...toRedis())).out).toContain(`Copied 1 entries; ${length} were there`);
    expect(await entries()).toEqual(await embedded());
    const verify = await runPostern(['ledger', 'verify', '--config', settings]);
    expect(verify.out).toContain(`Whole: ${length + 1} entries`);
  });

  it('refuses a target that holds another ledger or goes on further, and leaves it as it is', async () => {
    const other = await makeInstallation();
    await runPostern(['ledger', 'copy', '--config', other.configFile, ...toRedis()]);
    await other.remove();
    const before = await entries();
    const { code, err } = await copy(...toRedis());
    expect(code).toBe(1);
    expect(err).toContain('the target holds another ledger');
    expect(await entries()).toEqual(before);

    prefix = freshPrefix();
    await copy(...toRedis());
    const ledger = openRedisLedger(portAddress(server.port, { prefix }));
    await ledger.append((await ledger.head()).hash, 'test', [networkPut('b')]);
    await ledger.close();
    expect((await copy(...toRedis())).err).toContain('it is in use');
  });

  it('says what is wrong with the target', async () => {
    expect(await copy()).toMatchObject({ code: 2 });
    expect(await copy('--to', made.configFile)).toMatchObject({
      code: 2,
      err: expect.stringContaining('has no `ledger.redis`') as string,
    });
    const nobody = await copy('--redis', `redis://127.0.0.1:${await freePort()}`);
    expect(nobody).toMatchObject({ code: 3, err: expect.stringContaining('ECONNREFUSED') as string });
    server.cli('set', ledgerKey(prefix), 'x');
    expect(await copy(...toRedis())).toMatchObject({ code: 1 });
  });
});
