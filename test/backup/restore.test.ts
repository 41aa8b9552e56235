import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { restoreBackup } from '../../src/backup/restore-backup.ts';
import type { Restored } from '../../src/backup/restore-backup.ts';
import type { Lock, Unlock } from '../../src/backup/age-file.ts';
import type { LedgerEntry } from '../../src/domain/events.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { networkPut, tokenCreated } from '../ledger/samples.ts';
import { append, backUp, keyPair, silent } from './backup-lab.ts';

let made: Installation;
let file: string;
let directory: string;
let key: { lock: Lock; unlock: Unlock };
beforeEach(async () => {
  made = await makeInstallation();
  file = join(made.directory, 'backup.age');
  directory = join(made.directory, 'restored');
  key = await keyPair();
});
afterEach(() => made.remove());

const restore = (how: Unlock = key.unlock): Promise<Restored> =>
  restoreBackup({ file, unlock: how, directory, survivors: [], now: Date.now(), progress: silent });

function flip(bytes: Buffer, offset: number): Buffer {
  bytes.writeUInt8(bytes.readUInt8(offset) ^ 1, offset);
  return bytes;
}

async function entriesOf(data: string): Promise<LedgerEntry[]> {
  const ledger = openSqliteLedger(join(data, 'ledger.db'));
  const entries = await Array.fromAsync(ledger.read(0));
  await ledger.close();
  return entries;
}

describe('a restore', () => {
  it('brings back each file and each entry as they were, and says in the ledger that it did', async () => {
    await append(made, networkPut('finance'));
    await backUp(made, file, key.lock);
    const restored = await restore();
    const before = await entriesOf(made.data);
    const after = await entriesOf(directory);
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.slice(before.length).map(({ actor, data }) => [actor, JSON.parse(data) as unknown])).toEqual(
      [['postern:restore', { type: 'installation-restored', from: expect.any(Number) }]],
    );
    expect(restored.state.head).toEqual({ sequence: after.length, hash: after.at(-1)?.hash });
    for (const path of restored.paths)
      expect(await readFile(join(directory, path)), path).toEqual(await readFile(join(made.data, path)));
    for (const [path, mode] of [
      ['keys', 0o700],
      ['keys/signing', 0o700],
      ['keys/device-authority.key', 0o600],
      ['ledger.db', 0o600],
      ['flows', 0o700],
      ['certs/root.crt', 0o644],
      ['.', 0o711],
    ] as const)
      expect((await stat(join(directory, path))).mode & 0o777, path).toBe(mode);
    expect((await readdir(directory)).toSorted()).toEqual(
      [
        'FORMAT',
        'access',
        'certs',
        'flows',
        'keys',
        'ledger.db',
        'ledger.db.head',
        'postern.yaml',
      ].toSorted(),
    );
  });

  it('leads settings that were kept elsewhere to the directory where they are now', async () => {
    const elsewhere = join(made.directory, 'settings.yaml');
    const text = await readFile(made.configFile, 'utf8');
    await writeFile(elsewhere, text.replace('\ndata: .\n', `\ndata: ${made.data}\n`));
    await backUp({ ...made, configFile: elsewhere }, file, key.lock);
    await restore();
    const settings = await readFile(join(directory, 'postern.yaml'), 'utf8');
    expect(parse(settings)).toEqual(parse(text));
    expect(settings).toContain('# The organization');
  });

  it('leaves a directory as it was that is not empty', async () => {
    await backUp(made, file, key.lock);
    await mkdir(directory);
    await writeFile(join(directory, 'mine'), 'mine');
    await expect(restore()).rejects.toThrow('is not empty, and was left as it is');
    expect(await readdir(directory)).toEqual(['mine']);
  });

  it.each([
    ['with one bit flipped in the middle', (bytes: Buffer) => flip(bytes, 9000)],
    ['with one bit flipped at its end', (bytes: Buffer) => flip(bytes, bytes.length - 1)],
    ['cut off', (bytes: Buffer) => bytes.subarray(0, bytes.length - 5000)],
  ])('writes nothing for a backup %s', async (_, damage) => {
    await backUp(made, file, key.lock);
    await writeFile(file, damage(await readFile(file)));
    await expect(restore()).rejects.toMatchObject({ name: 'BackupError', kind: 'damaged' });
    expect(await readdir(made.directory)).not.toContain('restored');
    // One that was there stays, empty.
    await mkdir(directory);
    await expect(restore()).rejects.toMatchObject({ kind: 'damaged' });
    expect(await readdir(directory)).toEqual([]);
  });

  it('writes nothing for a wrong passphrase or identity', async () => {
    await backUp(made, file, key.lock);
    await expect(restore((await keyPair()).unlock)).rejects.toMatchObject({ kind: 'locked' });
    await expect(restore({ passphrase: 'no such passphrase' })).rejects.toMatchObject({ kind: 'locked' });
    expect(await readdir(made.directory)).not.toContain('restored');
  });

  it('withdraws enrollment tokens that were not used yet: nobody can tell whether they were since', async () => {
    await append(made, tokenCreated('t1'));
    await backUp(made, file, key.lock);
    const { state } = await restore();
    expect(state.enrollmentTokens.get('t1')).toMatchObject({ withdrawnAt: expect.any(Number) });
  });

  it.runIf(process.getuid?.() === 0)('gives what it makes to the owner of the directory', async () => {
    await backUp(made, file, key.lock);
    await mkdir(directory);
    execFileSync('chown', ['990:991', directory]);
    await restore();
    for (const path of ['FORMAT', 'keys/device-authority.key', 'ledger.db', 'flows']) {
      const { uid, gid } = await stat(join(directory, path));
      expect({ uid, gid }, path).toEqual({ uid: 990, gid: 991 });
    }
  });
});
