import { readFile, writeFile } from 'node:fs/promises';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { parseDocument } from 'yaml';
import { moveToRedis } from '../lab/redis-installation.ts';
import type { RedisInstallation } from '../lab/redis-installation.ts';
import { hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { startServing } from '../lab/serving.ts';
import type { Serving } from '../lab/serving.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const perAdministrator = 60;
let redis: RedisServer;
let made: RedisInstallation;
let serving: Serving[];

async function limit(configFile: string): Promise<void> {
  const document = parseDocument(await readFile(configFile, 'utf8'));
  document.setIn(['control', 'rateLimits'], { perAddress: 1000, perAdministrator });
  await writeFile(configFile, String(document));
}

/** What two control planes know together, each with a process and a disk of its own. */
describe.skipIf(!hasRedis)(`two control planes on one Redis${redisHint}`, () => {
  beforeEach(async () => {
    redis = await startRedis({ settings: ['appendonly yes', 'appendfsync always'] });
    made = await moveToRedis(redis.port);
    await limit(made.configFile);
    const other = await made.anotherServer();
    serving = await Promise.all(
      [made.configFile, other.configFile].map((configFile) => startServing(configFile, 'control')),
    );
  });
  afterEach(async () => {
    for (const each of serving) await each.kill();
    await made.remove();
    await redis.stop();
  });

  const ask = (
    server: number,
    method: string,
    path: string,
    body?: unknown,
    headers?: Readonly<Record<string, string>>,
  ): ReturnType<RedisInstallation['api']> =>
    made.api(serving[server]?.portOf('control') ?? 0, method, path, body, headers);
  const entries = (): number => Number(redis.cli('xlen', `{${made.address.prefix}}:ledger`));

  it('do a change once that comes to both with one idempotency key, at once and again', async () => {
    const before = entries();
    const make = (server: number, user = 'a@example.org'): ReturnType<RedisInstallation['api']> =>
      ask(server, 'POST', '/v1/enrollment-tokens', { user }, { 'idempotency-key': '7c5e4a2b-0001' });
    const atOnce = await Promise.all(Array.from({ length: 10 }, (_, n) => make(n % 2)));
    const done = atOnce.filter(({ status }) => status === 200);
    expect(new Set(atOnce.map(({ status }) => status))).toEqual(
      new Set(done.length === atOnce.length ? [200] : [200, 409]),
    );
    for (const { status, body } of atOnce)
      if (status !== 200) expect(body).toMatchObject({ code: 'request-in-progress' });
    const again = [await make(0), await make(1)];
    for (const { status, body } of again) expect({ status, body }).toMatchObject(done[0] ?? {});
    expect(entries()).toBe(before + 1);
    // Neither does something else under it.
    for (const server of [0, 1])
      expect(await make(server, 'b@example.org')).toMatchObject({
        status: 422,
        body: { code: 'idempotency-key-reused' },
      });
    expect(entries()).toBe(before + 1);
  });

  it('count requests together, and each for itself while Redis is away', async () => {
    const look = async (server: number): Promise<number> => (await ask(server, 'GET', '/v1/devices')).status;
    const minute = (): number => Math.floor(Date.now() / 60_000);
    // More than one administrator may, less than each server would take by itself; within one minute of the clock.
    let answers: number[];
    let before: number;
    do {
      before = minute();
      answers = await Promise.all(Array.from({ length: 100 }, (_, n) => look(n % 2)));
    } while (minute() !== before);
    expect(new Set(answers)).toContain(429);
    expect(answers.filter((status) => status === 200).length).toBeLessThanOrEqual(perAdministrator);

    await redis.kill();
    // Each has seen what came to it, and lets on what it has room for; nobody is refused for want of Redis.
    await expect.poll(() => look(0), { timeout: 70_000, interval: 500 }).toBe(200);
    const alone = await Promise.all(Array.from({ length: 2 * perAdministrator }, () => look(0)));
    expect(alone).toContain(429);
  });
});
