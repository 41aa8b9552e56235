import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAnswerMemory } from '../../../src/control/api/answer-memory.ts';
import type { AnswerMemory } from '../../../src/control/api/answer-memory.ts';
import { createFailureLimit } from '../../../src/control/failure-limit.ts';
import type { FleetingStore } from '../../../src/control/fleeting/fleeting-store.ts';
import { createMemorySignals } from '../../../src/control/fleeting/fleeting-signals.ts';
import type { FleetingSignals } from '../../../src/control/fleeting/fleeting-signals.ts';
import { createMemoryFleeting } from '../../../src/control/fleeting/memory-fleeting.ts';
import { openFleeting } from '../../../src/control/fleeting/open-fleeting.ts';
import { createPostureMemory } from '../../../src/control/devices/posture-memory.ts';
import { createSharedAnswers } from '../../../src/control/api/shared-answers.ts';
import { freshPrefix } from '../../lab/redis-ledgers.ts';
import { hasRedis, redisHint, startRedis } from '../../lab/servers/redis.ts';
import type { RedisServer } from '../../lab/servers/redis.ts';

/** What every place for fleeting things has to do. */
function fleetingContract(name: string, open: () => FleetingStore): void {
  describe(`fleeting things in ${name}`, () => {
    it('are there until they expire', async () => {
      const store = open();
      expect(await store.get('a')).toBeUndefined();
      await store.put('a', 'one', 60_000);
      await store.put('a', 'two', 60_000);
      await store.put('b', 'short', 1);
      expect(await store.get('a')).toBe('two');
      await expect.poll(() => store.get('b')).toBeUndefined();
      await store.drop('a');
      expect(await store.get('a')).toBeUndefined();
    });

    it('are claimed by exactly one of many, until the claim expires', async () => {
      const store = open();
      const claims = await Promise.all(
        Array.from({ length: 20 }, (_, i) => store.claim('a', `mine-${i}`, 60_000)),
      );
      expect(claims.filter((held) => held === undefined)).toHaveLength(1);
      expect(new Set(claims.filter((held) => held !== undefined)).size).toBe(1);
      await store.claim('b', 'first', 1);
      await expect.poll(() => store.claim('b', 'second', 60_000)).toBeUndefined();
      expect(await store.get('b')).toBe('second');
    });

    it('are counted in a window that begins with the first and is not made longer by the next', async () => {
      const store = open();
      const counts = await Promise.all(Array.from({ length: 10 }, () => store.count('a', 60_000)));
      expect([...counts].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
      expect(await store.get('a')).toBe('10');
      await store.count('b', 1);
      await expect.poll(() => store.get('b')).toBeUndefined();
      expect(await store.count('b', 60_000)).toBe(1);
    });
  });
}

/** What every way to tell other servers something has to do. `open` gives servers that share it. */
function signalsContract(name: string, open: (servers: number) => readonly FleetingSignals[]): void {
  describe(`signals in ${name}`, () => {
    it('reach every listener, in order and once, from now on and until it ends', async () => {
      const servers = open(2);
      const [one, two] = servers;
      await one?.send('before anybody listened');
      const heard = servers.map((server) => {
        const texts: string[] = [];
        return { texts, end: server.listen((text) => void texts.push(text)) };
      });
      // A listener of Redis begins a moment after it was asked to.
      const all = (text: string): boolean => heard.every(({ texts }) => texts.includes(text));
      await expect
        .poll(async () => {
          await one?.send('are you there?');
          return all('are you there?');
        })
        .toBe(true);
      for (const text of ['a', 'b']) await two?.send(text);
      await expect.poll(() => all('b')).toBe(true);
      for (const { texts } of heard)
        expect(texts.filter((text) => text !== 'are you there?')).toEqual(['a', 'b']);
      heard[1]?.end();
      await one?.send('c');
      await expect.poll(() => heard[0]?.texts.at(-1)).toBe('c');
      expect(heard[1]?.texts).not.toContain('c');
      heard[0]?.end();
    });
  });
}

fleetingContract('memory', () => createMemoryFleeting(Date.now, { maxEntries: 100 }));

signalsContract('memory', () => {
  const signals = createMemorySignals();
  return [signals, signals];
});

describe('fleeting things in memory', () => {
  it('make room for new ones, those written longest ago first', async () => {
    const store = createMemoryFleeting(Date.now, { maxEntries: 2 });
    for (const key of ['a', 'b', 'a', 'c']) await store.put(key, key, 60_000);
    expect(await Promise.all(['a', 'b', 'c'].map((key) => store.get(key)))).toEqual(['a', undefined, 'c']);
  });
});

const posture = {
  measuredAt: 1_700_000_000,
  os: 'linux',
  osVersion: '13',
  agentVersion: '1',
  checks: {
    diskEncrypted: true,
    firewallEnabled: true,
    screenLockEnabled: 'unknown',
    osUpToDate: false,
    secureBoot: true,
    protectionRunning: true,
  },
} as const;

describe.skipIf(!hasRedis)(`beside a ledger in Redis${redisHint}`, () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  const closing: (() => void)[] = [];
  afterAll(async () => {
    for (const close of closing) close();
    await server?.stop();
  });
  /** One server's view; two with the same prefix see the same. */
  const open = (prefix: string = freshPrefix()): ReturnType<typeof openFleeting> => {
    const redis = { url: `redis://127.0.0.1:${server.port}`, prefix };
    const fleeting = openFleeting({ ledger: { redis } }, '/postern.yaml', Date.now);
    closing.push(() => fleeting.close());
    return fleeting;
  };
  const bounds = { maxEntries: 100 };
  fleetingContract('Redis', () => open().of('things', bounds));

  signalsContract('Redis', (servers) => {
    const prefix = freshPrefix();
    return Array.from({ length: servers }, () => open(prefix).signals('asked'));
  });

  it('signals reach this server while Redis is away, and the others again when it is back; none is kept', async () => {
    const own = await startRedis();
    const redis = { url: `redis://127.0.0.1:${own.port}`, prefix: 'p' };
    const both = [1, 2].map(() => openFleeting({ ledger: { redis } }, '/postern.yaml', Date.now));
    const signals = both.map((each) => each.signals('asked'));
    const heard = signals.map((each) => {
      const texts: string[] = [];
      each.listen((text) => void texts.push(text));
      return texts;
    });
    const reachesAll = async (text: string): Promise<void> => {
      await expect
        .poll(
          async () => {
            await signals[0]?.send(text);
            return heard.every((texts) => texts.includes(text));
          },
          { timeout: 20_000 },
        )
        .toBe(true);
    };
    await reachesAll('first');
    expect(Number(own.cli('pttl', '{p}:asked'))).toBeGreaterThan(0);
    await own.stop();
    await signals[0]?.send('alone');
    expect([heard[0]?.includes('alone'), heard[1]?.includes('alone')]).toEqual([true, false]);
    const again = await startRedis({ port: own.port });
    await reachesAll('second');
    expect(heard[1]).not.toContain('alone');
    for (const each of both) each.close();
    await again.stop();
  });

  it('another server sees the posture and counts the same failures; each kind is apart, and all of it expires', async () => {
    const prefix = freshPrefix();
    const [one, two] = [open(prefix), open(prefix)];
    await createPostureMemory(one.of('posture', bounds)).remember('d1' as never, posture);
    expect(await createPostureMemory(two.of('posture', bounds)).recall('d1' as never)).toEqual(posture);
    expect(await two.of('failures', bounds).get('d1')).toBeUndefined();
    const limits = [one, two].map((each) => createFailureLimit(each.of('failures', bounds), { failures: 4 }));
    for (let i = 0; i < 4; i += 1) await limits[i % 2]?.failed('192.0.2.1');
    expect(await limits[0]?.isBlocked('192.0.2.1')).toBe(true);
    expect(await limits[1]?.isBlocked('192.0.2.2')).toBe(false);
    const keys = server.cli('--scan', '--pattern', `{${prefix}}:*`).split('\n');
    expect(keys).toHaveLength(2);
    for (const key of keys) expect(Number(server.cli('pttl', key))).toBeGreaterThan(0);
  });

  it('answers are known to every server, and a change is made by one of them', async () => {
    const prefix = freshPrefix();
    const [one, two] = [open(prefix), open(prefix)].map((each) =>
      createSharedAnswers(each.of('answer', bounds)),
    );
    const answer = { status: 200, headers: {}, body: 'sealed' };
    const each: [string, AnswerMemory | undefined, AnswerMemory | undefined][] = [
      ['shared', one, two],
      ['in memory', ...((memory) => [memory, memory] as const)(createAnswerMemory())],
    ];
    for (const [name, first, second] of each) {
      expect(await first?.claim('k', 'f', 0), name).toEqual({ state: 'claimed' });
      expect(await second?.claim('k', 'g', 1), name).toEqual({ state: 'running', fingerprint: 'f' });
      await first?.answer('k', 'f', answer, 2);
      expect(await second?.claim('k', 'f', 3), name).toEqual({ state: 'answered', fingerprint: 'f', answer });
      expect(await second?.claim('l', 'f', 3), name).toEqual({ state: 'claimed' });
      await second?.release('l');
      expect(await first?.claim('l', 'f', 4), name).toEqual({ state: 'claimed' });
    }
  });

  it('an answer that could not be written while Redis was away is known to all when it is back', async () => {
    const lonely = await startRedis({ settings: ['appendonly yes', 'appendfsync always'] });
    const redis = { url: `redis://127.0.0.1:${lonely.port}`, prefix: 'p' };
    const [one, two] = ['one', 'two'].map(() =>
      openFleeting({ ledger: { redis } }, '/postern.yaml', Date.now),
    );
    const [first, second] = [one, two].map((each) => each && createSharedAnswers(each.of('answer', bounds)));
    const answer = { status: 200, headers: {}, body: 'sealed' };
    try {
      expect(await first?.claim('k', 'f', Date.now())).toEqual({ state: 'claimed' });
      await lonely.kill();
      await first?.answer('k', 'f', answer, Date.now());
      const answered = { state: 'answered', fingerprint: 'f', answer };
      expect(await first?.claim('k', 'f', Date.now())).toEqual(answered);
      await lonely.restart();
      await expect.poll(() => second?.claim('k', 'f', Date.now()), { timeout: 20_000 }).toEqual(answered);
    } finally {
      for (const each of [one, two]) each?.close();
      await lonely.stop();
    }
  });

  it('a server without Redis goes on by what it knows itself, without waiting each time', async () => {
    const lonely = await startRedis();
    const redis = { url: `redis://127.0.0.1:${lonely.port}`, prefix: 'p' };
    const fleeting = openFleeting({ ledger: { redis } }, '/postern.yaml', Date.now);
    const limit = createFailureLimit(fleeting.of('failures', bounds), { failures: 3 });
    const postures = createPostureMemory(fleeting.of('posture', bounds));
    try {
      for (let i = 0; i < 2; i += 1) await limit.failed('192.0.2.1');
      await postures.remember('d1' as never, posture);
      lonely.freeze();
      expect(await postures.recall('d1' as never)).toEqual(posture);
      expect(await limit.isBlocked('192.0.2.1')).toBe(false);
      await limit.failed('192.0.2.1');
      expect(await limit.isBlocked('192.0.2.1')).toBe(true);
    } finally {
      fleeting.close();
      await lonely.stop();
    }
  });
});
