import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { refuse } from '../../src/contract/refusals.ts';
import type { ControlEvent, LedgerEntry } from '../../src/domain/events.ts';
import { LedgerCorrupt, LedgerUnavailable } from '../../src/ledger/ledger.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import type { SqliteLedgerOptions } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { readSnapshotHead } from '../../src/ledger/snapshot-file.ts';
import { openLedgerStore } from '../../src/ledger/store.ts';
import type { LedgerStore, LedgerStoreOptions } from '../../src/ledger/store.ts';
import { verifyQuietly } from '../../src/ledger/verify-quietly.ts';
import { created, deviceState, enrolled, networkPut, stateOf, tokenCreated } from './samples.ts';

const cleanUps: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

interface Place {
  readonly path: string;
  readonly snapshotPath: string;
  readonly problems: string[];
  open(options?: LedgerStoreOptions, sqlite?: SqliteLedgerOptions): Promise<LedgerStore>;
  ledger(sqlite?: SqliteLedgerOptions): Ledger;
}

function makePlace(): Place {
  const directory = mkdtempSync(join(tmpdir(), 'postern-store-'));
  cleanUps.push(async () => rmSync(directory, { recursive: true }));
  const path = join(directory, 'ledger.db');
  const snapshotPath = join(directory, 'ledger.snapshot');
  const problems: string[] = [];
  const ledger = (sqlite: SqliteLedgerOptions = {}): Ledger => {
    const opened = openSqliteLedger(path, { create: true, ...sqlite });
    cleanUps.push(() => opened.close());
    return opened;
  };
  return {
    path,
    snapshotPath,
    problems,
    ledger,
    async open(options = {}, sqlite = {}) {
      const store = await openLedgerStore(ledger(sqlite), {
        onProblem: (problem, error) => problems.push(`${problem}: ${error.message}`),
        ...options,
      });
      cleanUps.push(() => store.close());
      return store;
    },
  };
}

const put = (store: LedgerStore, ...events: readonly ControlEvent[]): Promise<unknown> =>
  store.commit('test', () => ({ events, value: 'done' }));

describe('the store', () => {
  it('commits events and gives the value, with the events in the state and on disk', async () => {
    const place = makePlace();
    const store = await place.open();
    expect(await put(store, created, networkPut('a'))).toBe('done');
    expect([...store.state.networks.keys()]).toEqual(['a']);
    await store.close();
    const again = await place.open();
    expect(again.state).toEqual(store.state);
  });

  it('passes a refusal on and appends nothing', async () => {
    const store = await makePlace().open();
    expect(await store.commit('test', () => refuse('not-found', 'x'))).toEqual({
      code: 'not-found',
      detail: 'x',
    });
    expect(store.state.head.sequence).toBe(0);
  });

  it('gives the value without an append where there is nothing to change', async () => {
    const store = await makePlace().open();
    expect(await put(store)).toBe('done');
    expect(store.state.head.sequence).toBe(0);
  });

  it.each<[string, readonly ControlEvent[], string]>([
    ['an event that contradicts the state', [deviceState('d1', 'active')], 'state-final'],
    [
      'events that contradict each other',
      [tokenCreated('t2'), enrolled('d2', 't2'), enrolled('d3', 't2')],
      'enrollment-token-invalid',
    ],
    [
      'an event that no reader would understand',
      [{ type: 'device-teleported' } as unknown as ControlEvent],
      'invalid-input',
    ],
    [
      'one bad event among good ones',
      [networkPut('b'), { ...networkPut('c'), realm: 1 } as unknown as ControlEvent],
      'invalid-input',
    ],
  ])('refuses to append %s', async (_, events, code) => {
    const store = await makePlace().open();
    await put(store, created, tokenCreated('t1'), enrolled('d1', 't1'), deviceState('d1', 'revoked'));
    const before = structuredClone(store.state);
    expect(await put(store, ...events)).toMatchObject({ code });
    expect(store.state).toEqual(before);
    expect(await put(store, networkPut('b'))).toBe('done');
  });

  it('lets exactly one of a hundred use a token up, in one process and in several', async () => {
    const place = makePlace();
    const stores = [await place.open(), await place.open(), await place.open()];
    await put(stores[0] as LedgerStore, created, tokenCreated('t1'));
    const answers = await Promise.all(
      Array.from({ length: 100 }, (_, i) =>
        (stores[i % 3] as LedgerStore).commit(`device:d${i}`, (state) =>
          state.enrollmentTokens.get('t1')?.usedBy === undefined
            ? { events: [enrolled(`d${i}`, 't1')], value: 'enrolled' as const }
            : refuse('enrollment-token-invalid'),
        ),
      ),
    );
    expect(answers.filter((answer) => answer === 'enrolled')).toHaveLength(1);
    const reader = await place.open();
    expect(reader.state.devices.size).toBe(1);
  });

  it('decides again on the newest state when another writer was faster', async () => {
    const place = makePlace();
    const store = await place.open();
    await put(store, created);
    const other = place.ledger();
    const seen: number[] = [];
    const value = await store.commit('test', (state) => {
      seen.push(state.head.sequence);
      // The other writer appends between our decision and our append.
      if (seen.length === 1) void other.append(state.head.hash, 'other', [networkPut('theirs')]);
      return { events: [networkPut('ours')], value: [...state.networks.keys()] };
    });
    expect(seen).toEqual([1, 2]);
    expect(value).toEqual(['theirs']);
    expect([...store.state.networks.keys()]).toEqual(['theirs', 'ours']);
  });

  it('gives up when it is always overtaken, and changes nothing', async () => {
    const place = makePlace();
    const store = await place.open();
    await put(store, created);
    const other = place.ledger();
    let round = 0;
    const answer = await store.commit('test', (state) => {
      round += 1;
      void other.append(state.head.hash, 'other', [networkPut(`n${round}`)]);
      return { events: [networkPut('ours')], value: 'done' };
    });
    expect(answer).toMatchObject({ code: 'conflict' });
    expect(store.state.networks.has('ours' as never)).toBe(false);
  });

  it('hands each append to listeners once and whole, after the state has moved', async () => {
    const store = await makePlace().open();
    const heard: string[] = [];
    const stop = store.onEntries((entries) =>
      heard.push(`${entries.map(({ sequence }) => sequence).join('+')} at ${store.state.head.sequence}`),
    );
    await put(store, created);
    await put(store, networkPut('a'), networkPut('b'));
    stop();
    await put(store, networkPut('c'));
    expect(heard).toEqual(['1 at 1', '2+3 at 3']);
  });

  it('is not stopped by a listener that throws, and says so', async () => {
    const place = makePlace();
    const store = await place.open();
    const heard: LedgerEntry[] = [];
    store.onEntries(() => {
      throw new Error('deaf');
    });
    store.onEntries((entries) => heard.push(...entries));
    expect(await put(store, created)).toBe('done');
    expect(heard).toHaveLength(1);
    expect(place.problems).toEqual(['listener-failed: deaf']);
  });

  it('never shows half of an append that another process made', async () => {
    const place = makePlace();
    const [writer, reader] = [await place.open(), await place.open()];
    await put(writer, created);
    const sequences: number[] = [];
    const all = new Promise<void>((resolve) => {
      reader.onEntries(() => {
        sequences.push(reader.state.head.sequence);
        if (reader.state.head.sequence === 5001) resolve();
      });
    });
    await put(writer, ...Array.from({ length: 5000 }, (_, i) => networkPut(`n${i}`)));
    await all;
    expect(sequences.filter((sequence) => sequence !== 1)).toEqual([5001]);
  });

  it('refuses commits once it is closed', async () => {
    const store = await makePlace().open();
    await put(store, created);
    await store.close();
    expect(await put(store, networkPut('a'))).toMatchObject({ code: 'store-unavailable' });
  });

  it('says when the ledger is not available, and follows on when it is back', async () => {
    const place = makePlace();
    const real = place.ledger();
    let failures = 2;
    const flaky: Ledger = {
      ...real,
      async *follow(after, signal) {
        failures -= 1;
        if (failures >= 0) throw new LedgerUnavailable('gone');
        yield* real.follow(after, signal);
      },
    };
    const problems: string[] = [];
    const store = await openLedgerStore(flaky, {
      retryMs: 1,
      onProblem: (problem) => problems.push(problem),
    });
    cleanUps.push(() => store.close());
    const heard = new Promise<void>((resolve) => void store.onEntries(() => resolve()));
    await place.ledger().append(store.state.head.hash, 'other', [created]);
    await heard;
    expect(store.state.domain).toBe('example.org');
    expect(problems).toEqual(['ledger-unavailable', 'ledger-unavailable']);
  });

  it('stands still and refuses commits once the ledger says what cannot be', async () => {
    const place = makePlace();
    const noticed = Promise.withResolvers<string>();
    const store = await place.open({
      onProblem: (problem, error) => noticed.resolve(`${problem}: ${error.message}`),
    });
    await put(store, created, tokenCreated('t1'), enrolled('d1', 't1'), deviceState('d1', 'revoked'));
    const before = structuredClone(store.state);
    await place.ledger().append(store.state.head.hash, 'forger', [deviceState('d1', 'active')]);
    expect(await noticed.promise).toContain('ledger-corrupt: ledger entry 5 contradicts');
    expect(store.state).toEqual(before);
    expect(await put(store, networkPut('a'))).toMatchObject({ code: 'store-unavailable' });
    await expect(place.open()).rejects.toThrow(LedgerCorrupt);
  });
});

describe('the snapshot', () => {
  const events = [created, tokenCreated('t1'), enrolled('d1', 't1'), networkPut('a')];

  async function makeSnapshot(): Promise<Place> {
    const place = makePlace();
    const store = await place.open({ snapshotPath: place.snapshotPath });
    await put(store, ...events);
    await store.close();
    return place;
  }

  it('gives the same state as the whole log, and only the rest is read', async () => {
    const place = await makeSnapshot();
    const without = await place.open();
    await put(without, networkPut('b'));
    await without.close();
    const reads: number[] = [];
    const real = place.ledger();
    const counting: Ledger = {
      ...real,
      read: (after) => {
        reads.push(after);
        return real.read(after);
      },
    };
    const store = await openLedgerStore(counting, { snapshotPath: place.snapshotPath });
    cleanUps.push(() => store.close());
    expect(store.state).toEqual(without.state);
    // Devices bear the time of their entry, which is the wall clock's here.
    expect({ ...store.state, head: store.state.head.sequence }).toEqual({
      ...stateOf(...events, networkPut('b')),
      head: 5,
      devices: store.state.devices,
      deviceHistory: store.state.deviceHistory,
    });
    expect(reads).toEqual([3, 4]);
  });

  it('lets a start be quick: what lies behind it is verified afterwards, and an altered entry stops the store', async () => {
    const place = await makeSnapshot();
    const head = readSnapshotHead(place.snapshotPath) ?? expect.fail('no snapshot');
    expect(head.sequence).toBe(4);
    const { signal } = new AbortController();
    await expect(verifyQuietly(place.ledger(), head, { signal })).resolves.toBeUndefined();

    const database = new DatabaseSync(place.path);
    database.exec('DROP TRIGGER entries_stay_as_they_are');
    database.exec("UPDATE entries SET actor = 'me' WHERE sequence = 2");
    database.close();
    expect(() => openSqliteLedger(place.path)).toThrow('ledger entry 2 was altered');
    const store = await place.open({ snapshotPath: place.snapshotPath, settleMs: 0 }, { vouchedFor: head });
    await vi.waitFor(() =>
      expect(place.problems).toEqual(['ledger-corrupt: ledger entry 2 was altered: its hash differs']),
    );
    expect(await put(store, networkPut('c'))).toMatchObject({ code: 'store-unavailable' });
  });

  it('is written again after so many entries, and not before', async () => {
    const place = makePlace();
    const store = await place.open({ snapshotPath: place.snapshotPath, snapshotEvery: 3 });
    await put(store, created, networkPut('a'));
    expect(() => readFileSync(place.snapshotPath)).toThrow('ENOENT');
    await put(store, networkPut('b'));
    expect(readFileSync(place.snapshotPath, 'utf8')).toContain('"sequence":3');
  });

  it.each<[string, (text: string) => string, string]>([
    ['altered', (text) => text.replace('"active"', '"revoked"'), 'snapshot is damaged'],
    ['cut off', (text) => text.slice(0, -40), 'snapshot is damaged'],
    ['empty', () => '', 'snapshot is damaged'],
    [
      'of another version',
      (text) => text.replace(/"foldVersion":\d+/, '"foldVersion":0'),
      'of another version',
    ],
  ])('is not used when it is %s: the log is, and it is said', async (_, alter, problem) => {
    const place = await makeSnapshot();
    writeFileSync(place.snapshotPath, alter(readFileSync(place.snapshotPath, 'utf8')));
    const plain = await place.open();
    const store = await place.open({ snapshotPath: place.snapshotPath });
    expect(store.state).toEqual(plain.state);
    expect(place.problems).toEqual([expect.stringContaining(`snapshot-not-used: `)]);
    expect(place.problems[0]).toContain(problem);
  });

  it('stops the start when it knows an entry that the ledger does not have', async () => {
    const [place, other] = [await makeSnapshot(), makePlace()];
    const store = await other.open();
    await put(store, created, networkPut('a'), networkPut('b'), networkPut('c'));
    await store.close();
    writeFileSync(other.snapshotPath, readFileSync(place.snapshotPath));
    await expect(other.open({ snapshotPath: other.snapshotPath })).rejects.toThrow('cut off or replaced');
  });

  it('that cannot be written stops nothing, and it is said', async () => {
    const place = makePlace();
    const store = await place.open({ snapshotPath: join(place.path, '..', 'no', 'place'), snapshotEvery: 1 });
    expect(await put(store, created)).toBe('done');
    expect(place.problems).toEqual([expect.stringContaining('snapshot-not-written: ')]);
  });
});
