import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Lock, Unlock } from '../../src/backup/age-file.ts';
import { restoreBackup } from '../../src/backup/restore-backup.ts';
import type { Restored } from '../../src/backup/restore-backup.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { deviceState, enrolled, networkPut, tokenCreated } from '../ledger/samples.ts';
import { append, backUp, keyPair, silent } from './backup-lab.ts';

// A disk that failed rarely takes all of a ledger with it. What lies behind the damage may say who was revoked.

let made: Installation;
let file: string;
let key: { lock: Lock; unlock: Unlock };
const devices = ['d1', 'd2', 'd3'];
beforeEach(async () => {
  made = await makeInstallation();
  file = join(made.directory, 'backup.age');
  key = await keyPair();
  for (const device of devices) await append(made, tokenCreated(device), enrolled(device, device));
  await append(made, deviceState('d3', 'quarantined'), deviceState('d3', 'active'));
  await backUp(made, file, key.lock);
});
afterEach(() => made.remove());

const restore = (survivor = made.data): Promise<Restored> =>
  restoreBackup({
    file,
    unlock: key.unlock,
    directory: join(made.directory, 'restored'),
    survivors: [survivor],
    now: Date.now(),
    progress: silent,
  });
const statesIn = ({ state }: Restored): unknown[] =>
  devices.map((id) => state.devices.get(id as never)?.state);
const path = (): string => join(made.data, 'ledger.db');

/** Works on the file as nothing of ours would; everything is in the one file afterwards. */
function alter(work: (database: DatabaseSync) => void): void {
  const database = new DatabaseSync(path());
  for (const { name } of database.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").all())
    database.exec(`DROP TRIGGER ${String(name)}`);
  work(database);
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
}
const headOf = (): number => {
  const database = new DatabaseSync(path());
  const row = database.prepare('SELECT max(sequence) AS last FROM entries').get();
  database.close();
  return Number(row?.['last']);
};

it('keeps what was revoked behind an entry that was altered, and lets go of nobody else', async () => {
  const backedUp = headOf();
  await append(made, networkPut('a'), deviceState('d1', 'revoked'), deviceState('d2', 'quarantined'));
  await append(made, deviceState('d2', 'active'), networkPut('b'));
  alter((database) =>
    database.prepare('UPDATE entries SET actor = ? WHERE sequence = ?').run('another', backedUp + 1),
  );
  const restored = await restore();
  expect(statesIn(restored)).toEqual(['revoked', 'active', 'active']);
  expect(restored.problems).toEqual([
    `ledger entry ${backedUp + 1} was altered: its hash differs; 4 of 5 entries from there on were kept`,
  ]);
  expect(restored.changedSince).toEqual(['Network b']);
});

it('believes no entry whose own hash is not true, and none that the backup has', async () => {
  const backedUp = headOf();
  await append(made, deviceState('d1', 'revoked'), deviceState('d2', 'revoked'));
  alter((database) => {
    const change = database.prepare('UPDATE entries SET actor = ? WHERE sequence = ?');
    change.run('another', 2);
    change.run('another', backedUp + 1);
  });
  const restored = await restore();
  // The third was quarantined before the backup, and released before it.
  expect(statesIn(restored)).toEqual(['active', 'revoked', 'active']);
});

it('keeps what lies on the pages that can be read', async () => {
  for (let i = 0; i < 40; i += 1) await append(made, networkPut(`n${i}`));
  await append(made, deviceState('d1', 'revoked'));
  for (let i = 40; i < 80; i += 1) await append(made, networkPut(`n${i}`));
  await append(made, deviceState('d2', 'lost'));
  alter(() => undefined);
  const bytes = await readFile(path());
  const at = bytes.indexOf('"name":"n3"');
  const page = Math.floor(at / 4096) * 4096;
  expect([at > 0, (await stat(path())).size > page + 4096]).toEqual([true, true]);
  await writeFile(path(), bytes.fill(0xff, page, page + 4096));
  const restored = await restore();
  expect(statesIn(restored)).toEqual(['revoked', 'lost', 'active']);
  expect(restored.problems[0]).toMatch(
    /is damaged at entry \d+ or beside it: .*; \d+ of \d+ entries from there on were kept$/,
  );
});

it('knows a ledger of another installation although its first entry is damaged', async () => {
  const other = await makeInstallation();
  try {
    for (const device of devices) await append(other, tokenCreated(device), enrolled(device, device));
    await append(other, deviceState('d3', 'quarantined'), deviceState('d3', 'revoked'));
    const database = new DatabaseSync(join(other.data, 'ledger.db'));
    for (const { name } of database.prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'").all())
      database.exec(`DROP TRIGGER ${String(name)}`);
    database.exec("UPDATE entries SET actor = 'another' WHERE sequence = 1");
    database.close();
    await expect(restore(other.data)).rejects.toThrow('this is the ledger of another installation');
  } finally {
    await other.remove();
  }
});
