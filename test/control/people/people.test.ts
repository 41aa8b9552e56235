import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { isPseudonym } from '../../../src/contract/session-token.ts';
import { createPeople } from '../../../src/control/people/people.ts';
import type { People } from '../../../src/control/people/people.ts';
import type { PeopleStore } from '../../../src/control/people/people-store.ts';
import { createRedisPeople } from '../../../src/control/people/redis-people.ts';
import { openSqlitePeople } from '../../../src/control/people/sqlite-people.ts';
import type { Sealer } from '../../../src/identity/sealer.ts';
import { createSealer } from '../../../src/identity/sealer.ts';
import { eventually } from '../../flow/shipper/shipping.ts';
import { openRedisConnection } from '../../../src/ledger/redis/redis-connection.ts';
import { portAddress } from '../../lab/redis-ledgers.ts';
import { hasRedis, redisHint, startRedis } from '../../lab/servers/redis.ts';
import type { RedisServer } from '../../lab/servers/redis.ts';

const newSealer = (): Sealer => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return createSealer(privateKey.export({ format: 'pem', type: 'pkcs8' }));
};
const sealer = newSealer();
const november = Date.UTC(2026, 10, 30, 23, 59);
const december = november + 120_000;
const [alice, bob] = ['alice@example.org', 'bob@example.org'];

/** What every place for the keys of people has to do. `open` gives two servers that share it. */
function peopleContract(name: string, open: () => readonly [PeopleStore, PeopleStore]): void {
  const people = (): [People, People] => {
    const stores = open();
    onTestFinished(() => stores.forEach((store) => store.close()));
    return [createPeople(stores[0], sealer), createPeople(stores[1], sealer)];
  };

  describe(`pseudonyms with keys in ${name}`, () => {
    it('are the same for a person and a month on every server, and lead back; others have others', async () => {
      const [one, two] = people();
      const all = await Promise.all(
        Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? one : two).pseudonym(alice, november)),
      );
      expect(new Set(all).size).toBe(1);
      const [first = ''] = all;
      expect(first).toMatch(/^p-2026-11-[a-z2-7]{26}$/);
      expect(isPseudonym(first)).toBe(true);
      const next = await two.pseudonym(alice, december);
      const other = await two.pseudonym(bob, november);
      expect(new Set([first.slice(10), next.slice(10), other.slice(10)]).size).toBe(3);
      const stranger = `p-2026-11-${'a'.repeat(26)}`;
      expect(await one.reidentify([first, next, other, stranger, 'p-nonsense'])).toEqual(
        new Map([
          [first, alice],
          [next, alice],
          [other, bob],
        ]),
      );
      expect(await one.pseudonyms(alice)).toEqual([first, next]);
      expect(await one.pseudonyms('carol@example.org')).toEqual([]);
    });

    it('lead to nobody once the key of the person is destroyed, and to the others as before', async () => {
      const [one, two] = people();
      const [first, other] = [await one.pseudonym(alice, november), await one.pseudonym(bob, november)];
      const id = (await one.idOf(alice)) ?? '';
      expect(id).toMatch(/^[0-9a-f]{16}$/);
      expect(await one.destroy(new Set([id]))).toBe(1);
      expect(await one.destroy(new Set([id]))).toBe(0);
      expect(await two.reidentify([first, other])).toEqual(new Map([[other, bob]]));
      expect(await two.idOf(alice)).toBeUndefined();
      // Who comes back is somebody else.
      expect(await two.pseudonym(alice, november)).not.toBe(first);
    });

    it('lead to nobody once the key of their month is destroyed', async () => {
      const [one, two] = people();
      const [first, next] = [await one.pseudonym(alice, november), await one.pseudonym(alice, december)];
      expect(await one.forgetMonths(november)).toBe(0);
      expect(await one.forgetMonths(december)).toBe(1);
      expect(await two.reidentify([first, next])).toEqual(new Map([[next, alice]]));
      expect(await two.pseudonyms(alice)).toEqual([next]);
    });

    it('are not made where the keys cannot be opened', async () => {
      const [store] = open();
      onTestFinished(() => store.close());
      await createPeople(store, sealer).pseudonym(alice, november);
      await expect(createPeople(store, newSealer()).pseudonym(alice, november)).rejects.toThrow(
        'cannot be opened',
      );
    });
  });
}

const directories: string[] = [];
const directory = (): string => {
  const made = mkdtempSync(join(tmpdir(), 'postern-people-'));
  directories.push(made);
  return made;
};
afterAll(() => directories.forEach((made) => rmSync(made, { recursive: true, force: true })));

peopleContract('SQLite', () => {
  const path = join(directory(), 'people.db');
  return [openSqlitePeople(path), openSqlitePeople(path)];
});

describe.skipIf(!hasRedis)(`with Redis${redisHint}`, () => {
  let redis: RedisServer;
  beforeAll(async () => {
    redis = await startRedis();
  });
  afterAll(() => redis.stop());
  peopleContract('Redis', () => {
    const address = portAddress(redis.port);
    const open = () => createRedisPeople(openRedisConnection(address), address);
    return [open(), open()];
  });
});

describe.skipIf(!hasRedis)(`keys where the ledger waits for replicas${redisHint}`, () => {
  it('are neither used nor destroyed before a replica has heard of it', async () => {
    const master = await startRedis();
    onTestFinished(() => master.stop());
    const address = portAddress(master.port, { waitForReplicas: 1 });
    const open = () => {
      const store = createRedisPeople(openRedisConnection(address), address);
      onTestFinished(() => store.close());
      return createPeople(store, sealer);
    };
    const [one, two] = [open(), open()];
    const unconfirmed = /0 of 1 replicas have confirmed a key of a person/;
    await expect(one.pseudonym(alice, november)).rejects.toThrow(unconfirmed);
    // It is in the master now, where all find it; nobody calls anybody by it.
    await expect(two.pseudonym(alice, november)).rejects.toThrow(unconfirmed);

    const replica = await startRedis({
      settings: [`replicaof 127.0.0.1 ${master.port}`, 'repl-diskless-sync-delay 0'],
    });
    onTestFinished(() => replica.stop());
    const inReplica = (): number => Number(replica.cli('hlen', `{${address.prefix}}:people`));
    await eventually(() => replica.cli('role').includes('connected'));
    const pseudonym = await one.pseudonym(alice, november);
    expect(await two.pseudonym(alice, november)).toBe(pseudonym);
    expect(inReplica()).toBe(2);

    const id = (await one.idOf(alice)) ?? '';
    replica.freeze();
    await expect(one.destroy(new Set([id]))).rejects.toThrow(unconfirmed);
    replica.thaw();
    await eventually(() => inReplica() === 1);
    expect(await two.reidentify([pseudonym])).toEqual(new Map());
    expect(await two.pseudonym(alice, november)).not.toBe(pseudonym);
  });
});

describe('the file of keys', () => {
  it('is readable by its owner alone, names nobody, and has nothing of what was destroyed', async () => {
    const at = directory();
    const store = openSqlitePeople(join(at, 'people.db'));
    const people = createPeople(store, sealer);
    for (const user of [alice, bob, 'carol@example.org']) await people.pseudonym(user, november);
    const before = await store.all();
    const id = (await people.idOf(alice)) ?? '';
    await people.destroy(new Set([id]));
    const after = await store.all();
    const gone = [...before].find(([each]) => !after.has(each));
    const [name, sealed] = gone ?? ['', ''];
    store.close();
    const bytes = readdirSync(at).map((file) => {
      expect(statSync(join(at, file)).mode & 0o077, file).toBe(0);
      return readFileSync(join(at, file), 'latin1');
    });
    expect(name).toMatch(/^person:/);
    for (const text of [name, sealed.slice(0, 40), sealed.slice(-40), alice, bob, '2026-12'])
      expect(
        bytes.some((file) => file.includes(text)),
        text,
      ).toBe(false);
    expect(bytes.some((file) => file.includes([...after.values()][0]?.slice(0, 40) ?? '?'))).toBe(true);
  });
});
