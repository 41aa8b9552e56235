import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import * as fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import type { LedgerEntry } from '../../src/domain/events.ts';
import { genesisHead, hashEntry } from '../../src/ledger/chain.ts';
import { LedgerCorrupt, LedgerUnavailable } from '../../src/ledger/ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { created, networkPut } from './samples.ts';

const directories: string[] = [];
afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
});

const newPath = (): string => {
  const directory = mkdtempSync(join(tmpdir(), 'postern-damage-'));
  directories.push(directory);
  return join(directory, 'ledger.db');
};

/** A closed ledger of seven entries in two appends. */
async function makeLedger(): Promise<{ path: string; entries: readonly LedgerEntry[] }> {
  const path = newPath();
  const ledger = openSqliteLedger(path, { create: true });
  const first = await ledger.append(genesisHead.hash, 'test', [created]);
  const names = ['a', 'b', 'c', 'd', 'e', 'f'];
  const rest = await ledger.append(first[0]?.hash ?? '', 'test', names.map(networkPut));
  await ledger.close();
  return { path, entries: [...first, ...rest] };
}

/** What someone with a SQL shell can do who knows of the triggers. */
function tamper(path: string, work: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path);
  database.exec('DROP TRIGGER entries_stay; DROP TRIGGER entries_stay_as_they_are');
  work(database);
  database.close();
}

/** Sets an entry's data, and makes this one's hash and those of all that follow fit. */
function rewrite(
  database: DatabaseSync,
  entries: readonly LedgerEntry[],
  sequence: number,
  upTo: number,
): void {
  const update = database.prepare('UPDATE entries SET data = ?, previous = ?, hash = ? WHERE sequence = ?');
  let previous = entries[sequence - 2]?.hash ?? genesisHead.hash;
  for (const entry of entries.slice(sequence - 1, upTo)) {
    const data = entry.sequence === sequence ? JSON.stringify(networkPut('evil')) : entry.data;
    const hash = hashEntry({ ...entry, data, previous });
    update.run(data, previous, hash, entry.sequence);
    previous = hash;
  }
}

const openError = (path: string): unknown => {
  try {
    void openSqliteLedger(path).close();
  } catch (error) {
    return error;
  }
  return undefined;
};

describe('a ledger that is whole', () => {
  it('opens again, is readable by its owner only, and lets no stray hand change an entry', async () => {
    const { path } = await makeLedger();
    expect(openError(path)).toBeUndefined();
    for (const file of [path, `${path}.head`]) expect(statSync(file).mode & 0o777).toBe(0o600);
    const database = new DatabaseSync(path);
    expect(() => database.exec("UPDATE entries SET actor = 'me'")).toThrow('never changed');
    expect(() => database.exec('DELETE FROM entries')).toThrow('never deleted');
    database.close();
  });

  it('opens when its head file is one append behind, as after a crash between the two, and mends only that', async () => {
    const { path, entries } = await makeLedger();
    writeFileSync(`${path}.head`, `1 ${entries[0]?.hash}\n`);
    expect(openError(path)).toBeUndefined();
    expect(readFileSync(`${path}.head`, 'utf8')).toBe(`7 ${entries[6]?.hash}\n`);
  });
});

describe('a ledger that was tampered with is found at start and named', () => {
  it.each<[string, number, string, (database: DatabaseSync, entries: readonly LedgerEntry[]) => void]>([
    [
      'an altered entry',
      4,
      'was altered',
      (db) => db.exec("UPDATE entries SET actor = 'me' WHERE sequence = 4"),
    ],
    [
      'an altered time',
      2,
      'was altered',
      (db) => db.exec('UPDATE entries SET at = at + 1 WHERE sequence = 2'),
    ],
    [
      'a number that no count reaches',
      3,
      'too large',
      (db) => db.exec('UPDATE entries SET at = 9223372036854775807 WHERE sequence = 3'),
    ],
    ['an entry with a hash of its own', 5, 'does not follow', (db, entries) => rewrite(db, entries, 4, 4)],
    [
      'a last entry with a hash of its own',
      7,
      'not the one that was acknowledged',
      (db, entries) => rewrite(db, entries, 7, 7),
    ],
    [
      'a chain made anew from an entry on',
      7,
      'not the one that was acknowledged',
      (db, entries) => rewrite(db, entries, 3, 7),
    ],
    ['an entry taken out', 3, 'is missing', (db) => db.exec('DELETE FROM entries WHERE sequence = 3')],
    ['a first entry taken out', 1, 'is missing', (db) => db.exec('DELETE FROM entries WHERE sequence = 1')],
    ['an end cut off', 7, 'was cut off', (db) => db.exec('DELETE FROM entries WHERE sequence = 7')],
    ['all taken out', 1, 'was cut off', (db) => db.exec('DELETE FROM entries')],
    [
      'an entry put in',
      4,
      'does not follow',
      (db) =>
        db.exec(
          'UPDATE entries SET sequence = sequence + 100 WHERE sequence > 3; UPDATE entries SET sequence = sequence - 99 WHERE sequence > 100; INSERT INTO entries SELECT 4, at, actor, data, previous, hash FROM entries WHERE sequence = 3',
        ),
    ],
  ])('%s', async (_, sequence, message, work) => {
    const { path, entries } = await makeLedger();
    tamper(path, (database) => work(database, entries));
    const before = readFileSync(path);
    const error = openError(path);
    expect(error).toBeInstanceOf(LedgerCorrupt);
    expect(error).toMatchObject({ sequence, message: expect.stringContaining(message) });
    // Never repaired in silence: the next start says the same.
    expect(readFileSync(path)).toEqual(before);
    expect(openError(path)).toEqual(error);
  });

  it('a head file that is gone, or is not one', async () => {
    const { path } = await makeLedger();
    writeFileSync(`${path}.head`, '7\n');
    expect(openError(path)).toMatchObject({
      name: 'LedgerCorrupt',
      message: expect.stringContaining('head file'),
    });
    rmSync(`${path}.head`);
    expect(openError(path)).toMatchObject({
      name: 'LedgerCorrupt',
      message: expect.stringContaining('lost its head'),
    });
  });

  it('a database that is gone while its head file is there', async () => {
    const { path } = await makeLedger();
    rmSync(path);
    expect(openError(path)).toMatchObject({ name: 'LedgerUnavailable' });
    expect(() => openSqliteLedger(path, { create: true })).toThrow(LedgerCorrupt);
  });
});

describe('a ledger that was torn', () => {
  it('loses an append that was not wholly written, and says that it was acknowledged', async () => {
    const path = newPath();
    const torn = join(path, '..', 'torn.db');
    const ledger = openSqliteLedger(path, { create: true });
    const [first] = await ledger.append(genesisHead.hash, 'test', [created]);
    const sizeAfterFirst = statSync(`${path}-wal`).size;
    const [second] = await ledger.append(first?.hash ?? '', 'test', [networkPut('a')]);
    // As the disk is after a power cut: the log with its last page half written.
    for (const suffix of ['', '-wal', '.head']) copyFileSync(path + suffix, torn + suffix);
    await ledger.close();
    truncateSync(`${torn}-wal`, sizeAfterFirst + 100);
    expect(openError(torn)).toMatchObject({
      name: 'LedgerCorrupt',
      sequence: 2,
      message: expect.stringContaining('it ends at entry 1, and entry 2 was acknowledged'),
    });
    // Had the append not been acknowledged, nothing would be lost.
    writeFileSync(`${torn}.head`, `1 ${first?.hash}\n`);
    expect(openError(torn)).toBeUndefined();
    expect(second?.sequence).toBe(2);
  });

  it('is named when pages are missing or zeroed', async () => {
    const { path } = await makeLedger();
    const whole = readFileSync(path);
    writeFileSync(path, whole.subarray(0, whole.length - 2000));
    expect(openError(path)).toMatchObject({ name: 'LedgerCorrupt' });
    writeFileSync(path, Buffer.concat([whole.subarray(0, 4096), Buffer.alloc(whole.length - 4096)]));
    expect(openError(path)).toMatchObject({ name: 'LedgerCorrupt', sequence: 1 });
    writeFileSync(path, Buffer.alloc(whole.length, 'x'));
    expect(openError(path)).toMatchObject({ name: 'LedgerCorrupt' });
    writeFileSync(path, whole);
    expect(openError(path)).toBeUndefined();
  });

  it('never gives another entry than was written, whichever bytes are flipped', async () => {
    const { path, entries } = await makeLedger();
    const whole = readFileSync(path);
    const mutant = join(path, '..', 'mutant.db');
    let refused = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat({ max: whole.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, flip) => {
          const bytes = Buffer.from(whole);
          bytes[at] = (bytes[at] ?? 0) ^ flip;
          writeFileSync(mutant, bytes);
          copyFileSync(`${path}.head`, `${mutant}.head`);
          for (const suffix of ['-wal', '-shm']) rmSync(mutant + suffix, { force: true });
          try {
            const ledger = openSqliteLedger(mutant);
            const read = await Array.fromAsync(ledger.read(0));
            await ledger.close();
            expect(read).toEqual(entries);
          } catch (error) {
            if (!(error instanceof LedgerCorrupt || error instanceof LedgerUnavailable)) throw error;
            refused += 1;
          }
        },
      ),
      { numRuns: 300 },
    );
    expect(refused).toBeGreaterThan(0);
  });
});

describe('a file that is not our ledger is left alone', () => {
  it('refuses another version in a sentence', async () => {
    const { path } = await makeLedger();
    tamper(path, (database) => database.exec('PRAGMA user_version = 2'));
    expect(openError(path)).toEqual(
      new LedgerUnavailable(`ledger ${path} has format 2; this version of postern reads format 1 only`),
    );
  });

  it('refuses the database of another program, even to create in', () => {
    const path = newPath();
    const other = new DatabaseSync(path);
    other.exec('CREATE TABLE recipes (name TEXT)');
    other.close();
    const before = readFileSync(path);
    expect(openError(path)).toMatchObject({
      name: 'LedgerUnavailable',
      message: `${path} is not a ledger of postern`,
    });
    expect(() => openSqliteLedger(path, { create: true })).toThrow('is not a ledger of postern');
    expect(readFileSync(path)).toEqual(before);
  });

  it('refuses where there is none, and makes none', () => {
    const path = newPath();
    expect(openError(path)).toEqual(new LedgerUnavailable(`there is no ledger at ${path}`));
    expect(() => statSync(path)).toThrow('ENOENT');
    expect(() => openSqliteLedger(join(path, 'no', 'such', 'place'), { create: true })).toThrow(
      LedgerUnavailable,
    );
  });
});

describe('a ledger that another process has locked', () => {
  it('is not available for appends until it is free, and loses nothing', async () => {
    const { path, entries } = await makeLedger();
    const ledger = openSqliteLedger(path, { busyTimeoutMs: 10 });
    const other = new DatabaseSync(path);
    other.exec('BEGIN IMMEDIATE');
    const append = (): Promise<unknown> => ledger.append(entries[6]?.hash ?? '', 'test', [networkPut('g')]);
    await expect(append()).rejects.toThrow(LedgerUnavailable);
    await expect(append()).rejects.toThrow('locked by another process');
    other.exec('ROLLBACK');
    other.close();
    await append();
    expect((await ledger.head()).sequence).toBe(8);
    await ledger.close();
  });
});
