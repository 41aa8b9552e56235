import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { genesisHead } from '../../src/ledger/chain.ts';
import { openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { addressOf } from '../lab/redis-ledgers.ts';
import { hasRedis, redisHint } from '../lab/servers/redis.ts';
import { startSentinelLab } from '../lab/servers/redis-sentinel.ts';
import type { SentinelLab } from '../lab/servers/redis-sentinel.ts';
import { created, networkPut } from './samples.ts';

// Sentinels take their time to agree.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const timeouts = { connectMs: 1000, silenceMs: 1000 };

/** In this order: each takes more away. */
describe.skipIf(!hasRedis)(`a ledger that sentinels lead to${redisHint}`, () => {
  let lab: SentinelLab;
  const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  beforeAll(async () => {
    lab = await startSentinelLab();
  });
  afterAll(() => lab?.stop());
  afterEach(() => printed.mockClear());
  const address = (master: string): ReturnType<typeof addressOf> => ({
    ...addressOf({
      sentinels: lab.sentinels.map(({ port }) => `redis://127.0.0.1:${port}`),
      master,
      prefix: 'sentinel-test',
    }),
    password: lab.password,
  });
  const problemOf = async (master: string): Promise<string> => {
    const ledger = openRedisLedger(address(master), { timeouts });
    const problem = await ledger.head().then(
      () => 'none',
      ({ message }: Error) => message,
    );
    await ledger.close();
    return problem;
  };

  it('says so where they watch no master of that name', async () => {
    expect(await problemOf('postern')).toBe('none');
    expect(await problemOf('another')).toMatch(
      /^Redis at .* \(another\) does not answer: the sentinels watch no master of that name \(master\)$/,
    );
  });

  it('goes on with the new master when the old one hangs and its connections stay open, and prints nothing', async () => {
    const ledger = openRedisLedger(address('postern'), { timeouts });
    const [first] = await ledger.append(genesisHead.hash, 'test', [created]);
    await expect.poll(() => lab.replica.cli('xlen', '{sentinel-test}:ledger')).toBe('1');
    await lab.sentinels[0]?.kill();
    lab.master.freeze();
    await expect
      .poll(
        () =>
          ledger.append(first?.hash ?? '', 'test', [networkPut('a')]).then(
            () => 'done',
            ({ name }: Error) => name,
          ),
        { timeout: 60_000, interval: 200 },
      )
      .toBe('done');
    expect(lab.replica.cli('xlen', '{sentinel-test}:ledger')).toBe('2');
    await ledger.close();
    expect(printed).not.toHaveBeenCalled();
  });

  it('says so in words of ours when no sentinel answers, and prints nothing', async () => {
    for (const sentinel of lab.sentinels) await sentinel.kill();
    expect(await problemOf('postern')).toMatch(
      /^Redis at .* \(postern\) does not answer: no sentinel tells where the master is$/,
    );
    expect(printed).not.toHaveBeenCalled();
  });
});
