import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ControlEvent, LedgerEntry } from '../../src/domain/events.ts';
import { genesisHead } from '../../src/ledger/chain.ts';
import type { RedisAddress } from '../../src/ledger/redis/redis-address.ts';
import { ledgerKey, openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { readLostEntries } from '../../src/ledger/replica/lost-entries.ts';
import { recoveryActor } from '../../src/ledger/replica/recover.ts';
import { openStation } from '../lab/ledger-station.ts';
import type { LedgerStation } from '../lab/ledger-station.ts';
import { portAddress } from '../lab/redis-ledgers.ts';
import { hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { created, deviceState, enrolled, networkPut, tokenCreated } from './samples.ts';

// A store that went back to an earlier state, as after a failover or from an old backup.

let server: RedisServer;
let address: RedisAddress;
let stations: LedgerStation[];

const station = async (): Promise<LedgerStation> => {
  const opened = await openStation(address, 'd1');
  stations.push(opened);
  return opened;
};
const entriesInStore = async (): Promise<LedgerEntry[]> => {
  const ledger = openRedisLedger(address);
  const entries = await Array.fromAsync(ledger.read(0));
  await ledger.close();
  return entries;
};
const eventsOf = (entries: readonly LedgerEntry[]): unknown[] =>
  entries.map(({ data }) => JSON.parse(data) as unknown);

/** Puts in the ledger's place, at one stroke, what it was at its first `keep` entries, and then other events. */
const rewind = (keep: number, ...events: readonly ControlEvent[]): Promise<void> =>
  replaceBy(keep, [], events);

/** As `rewind`, without the entries of these identifiers. */
async function replaceBy(
  keep: number,
  without: readonly string[],
  events: readonly ControlEvent[],
): Promise<void> {
  const other = { ...address, prefix: `${address.prefix}-other` };
  const ledger = openRedisLedger(other);
  const kept = (await entriesInStore()).slice(0, keep);
  await ledger.restore(kept);
  if (events.length > 0) await ledger.append(kept.at(-1)?.hash ?? genesisHead.hash, 'other', events);
  await ledger.close();
  const [from, to] = [ledgerKey(other.prefix), ledgerKey(address.prefix)];
  if (without.length > 0) server.cli('xdel', from, ...without);
  if (keep + events.length === 0) server.cli('del', to);
  else expect(server.cli('rename', from, to)).toBe('OK');
}

describe.skipIf(!hasRedis)(`a store that lost its end${redisHint}`, () => {
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());
  beforeEach(() => {
    address = portAddress(server.port);
    stations = [];
  });
  afterEach(async () => {
    for (const each of stations) await each.stop();
  });
  const enroll = async (first: LedgerStation): Promise<void> => {
    const ledger = openRedisLedger(address);
    await ledger.append(genesisHead.hash, 'test', [
      created,
      tokenCreated('t1'),
      tokenCreated('t2'),
      enrolled('d1', 't1'),
    ]);
    await ledger.close();
    await expect.poll(() => first.store.state.head.sequence).toBe(4);
  };

  it('is given it back byte for byte, and nobody sees the revocation away for a moment', async () => {
    const first = await station();
    await enroll(first);
    await first.commit(deviceState('d1', 'revoked'));
    await first.commit(networkPut('a'));
    const before = await entriesInStore();
    await rewind(4);
    await expect.poll(() => first.recoveries.length, { timeout: 10_000 }).toBe(1);
    expect(first.recoveries).toEqual([{ kind: 'rewound', ancestor: 4, lostEntries: 2 }]);
    expect(await entriesInStore()).toEqual(before);
    expect(first.statesOf('d1').at(-1)).toBe('revoked');
    expect(first.statesOf('d1').indexOf('revoked')).toBe(first.statesOf('d1').length - 1);
  });

  it('is filled again when it is empty', async () => {
    const first = await station();
    await enroll(first);
    const before = await entriesInStore();
    await rewind(0);
    await expect.poll(entriesInStore, { timeout: 10_000 }).toEqual(before);
  });

  it('takes no change on top of what it has left: the change comes after what was lost', async () => {
    const first = await station();
    await enroll(first);
    await first.commit(deviceState('d1', 'revoked'));
    await rewind(4);
    expect(await first.commit(networkPut('a'))).toBe('done');
    expect(eventsOf((await entriesInStore()).slice(4))).toEqual([
      deviceState('d1', 'revoked'),
      networkPut('a'),
    ]);
  });

  it('is given back its beginning and its middle too, although its end is as it was', async () => {
    const first = await station();
    await enroll(first);
    await first.commit(deviceState('d1', 'revoked'));
    await first.commit(networkPut('a'));
    const second = await station();
    const before = await entriesInStore();
    for (const [what, ...ids] of [
      ['entries 1 to 3', '1-0', '2-0', '3-0'],
      ['1 entries between its first and its last', '5-0'],
      ['entry 1 and 1 entries between its first and its last', '1-0', '4-0'],
    ] as const) {
      const found = [...first.recoveries, ...second.recoveries].length;
      // In one step: a server may look at any moment.
      server.cli('xdel', ledgerKey(address.prefix), ...ids);
      await expect.poll(() => server.cli('xlen', ledgerKey(address.prefix)), { timeout: 10_000 }).toBe('6');
      expect(await entriesInStore()).toEqual(before);
      await expect.poll(() => [...first.recoveries, ...second.recoveries].length).toBeGreaterThan(found);
      expect([...first.recoveries, ...second.recoveries]).toContainEqual({ kind: 'mended', what });
    }
    // Those that waited in it for more go on, and so does the chain.
    await first.commit(networkPut('b'));
    await expect.poll(() => second.store.state.head.sequence).toBe(7);
    expect(second.statesOf('d1').at(-1)).toBe('revoked');
    expect(server.cli('keys', `{${address.prefix}}:*`)).toBe(ledgerKey(address.prefix));
    expect([...first.troubles, ...second.troubles]).toEqual([]);
  });

  it('is given back its beginning while others write to it, and no write is lost', async () => {
    const all = [await station(), await station()];
    await enroll(all[0] as LedgerStation);
    server.cli('xdel', ledgerKey(address.prefix), '1-0', '2-0');
    for (let i = 0; i < 40; i += 1) expect(await all[i % 2]?.commit(networkPut(`n${i}`))).toBe('done');
    await expect.poll(() => server.cli('xlen', ledgerKey(address.prefix)), { timeout: 10_000 }).toBe('44');
    expect((await entriesInStore()).map(({ sequence }) => sequence)).toEqual(
      Array.from({ length: 44 }, (_, i) => i + 1),
    );
  });

  it('without its beginning is followed, and the alarm told again, where its user may not exchange it', async () => {
    server.cli('acl', 'setuser', 'plain', 'on', '>secret', '~*', '+@all', '-xlen', '-rename');
    const first = await openStation({ ...address, username: 'plain', password: 'secret' }, 'd1');
    stations.push(first);
    await enroll(first);
    server.cli('xdel', ledgerKey(address.prefix), '1-0', '2-0');
    await expect
      .poll(() => first.recoveries, { timeout: 10_000 })
      .toEqual([
        {
          kind: 'holed',
          what: 'entries 1 to 2',
          reason: expect.stringContaining('give it +xlen +rename'),
        },
      ]);
    expect(await first.commit(deviceState('d1', 'revoked'))).toBe('done');
    // Whoever starts with nothing cannot know what was before.
    await expect(station()).rejects.toThrow('entry 1 is missing: 3 came instead');
    server.cli('acl', 'setuser', 'plain', '+xlen', '+rename');
    await first.restart();
    await expect.poll(() => server.cli('xlen', ledgerKey(address.prefix)), { timeout: 10_000 }).toBe('5');
    expect((await station()).store.state.devices.get('d1' as never)?.state).toBe('revoked');
  });

  it('that lost its beginning and then went on without its end is followed, and gets the beginning', async () => {
    const first = await station();
    await enroll(first);
    await first.commit(deviceState('d1', 'revoked'));
    await replaceBy(4, ['1-0', '2-0'], [networkPut('other'), networkPut('more'), networkPut('third')]);
    await expect.poll(() => server.cli('xlen', ledgerKey(address.prefix)), { timeout: 10_000 }).toBe('8');
    expect(eventsOf(await entriesInStore()).at(-1)).toEqual(deviceState('d1', 'revoked'));
    expect(first.recoveries.map(({ kind }) => kind)).toContain('forked');
    expect(first.statesOf('d1').at(-1)).toBe('revoked');
  });

  it('gets everything once, from several servers of which each saw as much as it saw', async () => {
    const all = [await station(), await station(), await station()];
    await enroll(all[0] as LedgerStation);
    for (let i = 0; i < 20; i += 1) await all[i % 3]?.commit(networkPut(`n${i}`));
    await all[0]?.commit(deviceState('d1', 'quarantined'));
    for (const each of all) await expect.poll(() => each.store.state.head.sequence).toBe(25);
    const before = await entriesInStore();
    await rewind(6);
    await expect.poll(entriesInStore, { timeout: 10_000 }).toEqual(before);
    for (const each of all) expect(each.statesOf('d1').at(-1)).toBe('quarantined');
  });

  it('that went on without it gets made again what restricts, once, and the rest is kept for a person', async () => {
    const all = [await station(), await station()];
    await enroll(all[0] as LedgerStation);
    const lost = [
      deviceState('d1', 'revoked'),
      enrolled('d2', 't2'),
      networkPut('a'),
      deviceState('d2', 'quarantined'),
    ];
    for (const event of lost) await all[0]?.commit(event);
    for (const each of all) await expect.poll(() => each.store.state.head.sequence).toBe(8);
    await rewind(4, networkPut('b'), networkPut('c'));
    const madeAgain = [lost[0], lost[1], lost[3]];
    for (const each of all)
      await expect
        .poll(() => each.recoveries.map(({ kind }) => kind), { timeout: 10_000 })
        .toEqual(['forked']);
    const entries = await entriesInStore();
    expect(eventsOf(entries.slice(4))).toEqual([networkPut('b'), networkPut('c'), ...madeAgain]);
    expect(new Set(entries.slice(6).map(({ actor }) => actor))).toEqual(new Set([recoveryActor]));
    expect(
      all
        .map(({ recoveries: [first] }) => (first?.kind === 'forked' ? first.madeAgain : undefined))
        .sort((a = 0, b = 0) => a - b),
    ).toEqual([0, 3]);
    for (const each of all) {
      expect(each.statesOf('d1').slice(each.statesOf('d1').indexOf('revoked'))).toEqual(['revoked']);
      expect([...each.store.state.networks.keys()]).toEqual(['b', 'c']);
      expect(each.store.state.devices.get('d2' as never)?.state).toBe('quarantined');
      const [kept] = readLostEntries(each.lostDirectory);
      expect(kept?.ancestor.sequence).toBe(4);
      expect(eventsOf(kept?.entries ?? [])).toEqual(lost);
    }
    // And it goes on from there, also after a start from the disk.
    expect(await all[1]?.commit(networkPut('d'))).toBe('done');
    await expect.poll(() => all[0]?.store.state.networks.size).toBe(3);
    await all[0]?.restart();
    expect(all[0]?.store.state.head).toEqual(all[1]?.store.state.head);
  });

  it('that went on without it keeps what is stricter there, and what was lifted again stays lifted', async () => {
    const first = await station();
    await enroll(first);
    await first.commit(enrolled('d2', 't2'));
    await first.commit(deviceState('d1', 'quarantined'));
    await first.commit(deviceState('d2', 'quarantined'));
    await first.commit(deviceState('d2', 'active'));
    await rewind(5, deviceState('d1', 'revoked'));
    await expect.poll(() => first.recoveries.length, { timeout: 10_000 }).toBe(1);
    expect(first.recoveries[0]).toMatchObject({ kind: 'forked', madeAgain: 0, lostEntries: 3 });
    expect(first.store.state.devices.get('d1' as never)?.state).toBe('revoked');
    expect(first.store.state.devices.get('d2' as never)?.state).toBe('active');
  });

  it('that went on without it ends again the sign-ins that were ended, once, and heeds what a person undid', async () => {
    const all = [await station(), await station()];
    await enroll(all[0] as LedgerStation);
    const ended = { type: 'sign-in-ended', id: 's1', user: 'a@example.org', reason: 'left' } as ControlEvent;
    await all[0]?.commit(ended);
    await all[0]?.commit(deviceState('d1', 'quarantined'));
    for (const each of all) await expect.poll(() => each.store.state.head.sequence).toBe(6);
    await rewind(4, deviceState('d1', 'quarantined'), deviceState('d1', 'active'));
    for (const each of all) await expect.poll(() => each.recoveries.length, { timeout: 10_000 }).toBe(1);
    expect(eventsOf((await entriesInStore()).slice(6))).toEqual([ended]);
  });

  it('that went on without it forbids again what was forbidden, and gives nobody anything back', async () => {
    const policy = (name: string, cedar: string): ControlEvent => ({
      type: 'resource-put',
      resource: { kind: 'Policy', name, mode: 'enforce', cedar },
    });
    const gone = (name: string): ControlEvent => ({ type: 'resource-deleted', kind: 'Policy', name });
    const permit = 'permit (principal, action == Action::"access", resource);';
    const forbid = 'forbid (principal, action == Action::"access", resource);';
    const all = [await station(), await station()];
    await enroll(all[0] as LedgerStation);
    for (const name of ['left', 'narrowed', 'mixed', 'theirs'])
      await all[0]?.commit(policy(name, name === 'mixed' ? `${permit}${forbid}` : permit));
    const lost = [
      policy('new', forbid),
      policy('narrowed', forbid),
      gone('left'),
      gone('mixed'),
      gone('theirs'),
      policy('wider', permit),
      policy('both', `${permit}${forbid}`),
      policy('unknown', 'forbid (principal, action, resource == App::"gone");'),
      policy('for-a-while', forbid),
      gone('for-a-while'),
    ];
    for (const event of lost) await all[0]?.commit(event);
    for (const each of all) await expect.poll(() => each.store.state.head.sequence).toBe(18);
    const since = [networkPut('b'), policy('theirs', `${permit} // reviewed`)];
    await rewind(8, ...since);
    for (const each of all) await expect.poll(() => each.recoveries.length, { timeout: 10_000 }).toBe(1);
    expect(eventsOf((await entriesInStore()).slice(8))).toEqual([...since, ...lost.slice(0, 3)]);
    for (const { store } of all) {
      await expect.poll(() => store.state.head.sequence).toBe(13);
      expect([...store.state.policies.keys()].toSorted()).toEqual(['mixed', 'narrowed', 'new', 'theirs']);
    }
  });

  it('that holds the ledger of another installation is not followed', async () => {
    const first = await station();
    await enroll(first);
    await first.commit(deviceState('d1', 'revoked'));
    await rewind(0);
    const ledger = openRedisLedger(address);
    const foreign = [{ ...created, domain: 'evil.example' } as ControlEvent, networkPut('x')];
    await first.store.close();
    server.cli('del', ledgerKey(address.prefix));
    await ledger.append(genesisHead.hash, 'other', foreign);
    await ledger.close();
    await expect(first.restart()).rejects.toThrow('the ledger of another installation');
    expect(eventsOf(await entriesInStore())).toEqual(foreign);
  });

  it('loses nothing to a server that was off meanwhile: it remembers on its disk what it saw', async () => {
    const first = await station();
    await enroll(first);
    await first.commit(deviceState('d1', 'revoked'));
    await first.store.close();
    await rewind(4, networkPut('b'));
    await first.restart();
    expect(first.recoveries).toMatchObject([{ kind: 'forked', madeAgain: 1 }]);
    expect(first.store.state.devices.get('d1' as never)?.state).toBe('revoked');
    expect(eventsOf((await entriesInStore()).slice(4))).toEqual([
      networkPut('b'),
      deviceState('d1', 'revoked'),
    ]);
  });
});
