import { createReadStream, createWriteStream } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lock, unlock } from '../../src/backup/age-file.ts';
import type { Lock, Unlock } from '../../src/backup/age-file.ts';
import type { Manifest } from '../../src/backup/archive-format.ts';
import type { CollectedFile } from '../../src/backup/collect-files.ts';
import { parseLedgerPiece } from '../../src/backup/ledger-lines.ts';
import { readArchive } from '../../src/backup/read-archive.ts';
import { verifyBackup } from '../../src/backup/take-backup.ts';
import { archiveStream } from '../../src/backup/write-archive.ts';
import type { LedgerEntry } from '../../src/domain/events.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { append, backUp, keyPair, silent } from './backup-lab.ts';
import { networkPut } from '../ledger/samples.ts';

let made: Installation;
let file: string;
let key: { lock: Lock; unlock: Unlock };
let whole: Buffer;
let parts: { manifest: Manifest; files: CollectedFile[]; entries: LedgerEntry[] };
beforeAll(async () => {
  made = await makeInstallation();
  file = join(made.directory, 'backup.age');
  key = await keyPair();
  await append(made, networkPut('finance'));
  await backUp(made, file, key.lock);
  whole = await readFile(file);
  const files: CollectedFile[] = [];
  const entries: LedgerEntry[] = [];
  const plain = await unlock(
    Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>,
    key.unlock,
  );
  const { manifest } = await readArchive(plain, {
    file: async (one) => void files.push(one),
    entries: async (some) => void entries.push(...some),
  });
  parts = { manifest, files, entries };
});
afterAll(() => made.remove());

async function verifyBytes(bytes: Uint8Array): Promise<unknown> {
  await writeFile(file, bytes);
  return verifyBackup(file, key.unlock, silent);
}

/** A backup as someone else could make it, who knows the recipient. */
async function craft(change: Partial<typeof parts>): Promise<void> {
  const { manifest, files, entries } = { ...parts, ...change };
  const bytes = Buffer.from(entries.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
  const ledger = (async function* () {
    yield { first: 1, bytes };
  })();
  const locked = await lock(archiveStream({ manifest, files, ledger }), key.lock);
  await pipeline(locked.bytes, createWriteStream(file));
}

describe('a backup is refused', () => {
  it('with one bit flipped, wherever', async () => {
    await expect(verifyBytes(whole)).resolves.toMatchObject({ manifest: parts.manifest });
    const offsets = Array.from({ length: 40 }, (_, n) => Math.floor((n * (whole.length - 1)) / 39));
    for (const offset of [...offsets, 5, 30, 60, 120, 200, 300]) {
      const flipped = Buffer.from(whole);
      flipped.writeUInt8(flipped.readUInt8(offset) ^ 1, offset);
      await expect(verifyBytes(flipped), `bit at ${offset}`).rejects.toMatchObject({ name: 'BackupError' });
    }
  });

  it('cut off anywhere, lengthened, or empty', async () => {
    for (const length of [0, 1, 100, 1000, whole.length >> 1, whole.length - 16, whole.length - 1])
      await expect(verifyBytes(whole.subarray(0, length)), `${length} bytes`).rejects.toMatchObject({
        name: 'BackupError',
      });
    await expect(verifyBytes(Buffer.concat([whole, Buffer.alloc(1)]))).rejects.toMatchObject({
      kind: 'damaged',
    });
    await expect(verifyBytes(Buffer.concat([whole, whole]))).rejects.toMatchObject({ kind: 'damaged' });
  });

  it('opened by another identity, or by a passphrase', async () => {
    await writeFile(file, whole);
    const other = await keyPair();
    await expect(verifyBackup(file, other.unlock, silent)).rejects.toMatchObject({ kind: 'locked' });
    await expect(verifyBackup(file, { passphrase: 'correct horse' }, silent)).rejects.toMatchObject({
      kind: 'locked',
    });
  });

  it('of a newer format, or of data of another', async () => {
    const newer = { ...parts.manifest, format: 'postern-backup-2' } as unknown as Manifest;
    await craft({ manifest: newer });
    await expect(verifyBackup(file, key.unlock, silent)).rejects.toThrow(
      'it has the format "postern-backup-2", and this version of postern reads postern-backup-1 only',
    );
    await craft({ manifest: { ...parts.manifest, dataFormat: 'postern-data-2' } });
    await expect(verifyBackup(file, key.unlock, silent)).rejects.toThrow(
      'data of the format "postern-data-2"',
    );
  });

  it.each(['../../etc/cron.d/x', '/etc/passwd', 'keys/../../x', 'a//b', '.ssh', 'keys/', 'a\\b', 'x\n'])(
    'with a file named %j, which would be written elsewhere',
    async (path) => {
      await craft({ files: [...parts.files, { path, mode: 0o600, bytes: Buffer.from('x') }] });
      await expect(verifyBackup(file, key.unlock, silent)).rejects.toMatchObject({ kind: 'damaged' });
    },
  );

  it('without a key that a server needs, with a file twice, or with a ledger that is not the one of its manifest', async () => {
    await craft({});
    await expect(verifyBackup(file, key.unlock, silent)).resolves.toBeDefined();
    await craft({ files: parts.files.filter(({ path }) => path !== 'keys/device-authority.key') });
    await expect(verifyBackup(file, key.unlock, silent)).rejects.toThrow(
      'it lacks keys/device-authority.key',
    );
    await craft({ files: parts.files.filter(({ path }) => !path.startsWith('keys/signing/')) });
    await expect(verifyBackup(file, key.unlock, silent)).rejects.toThrow('it lacks keys/signing/');
    await craft({ files: [...parts.files, ...parts.files.slice(0, 1)] });
    await expect(verifyBackup(file, key.unlock, silent)).rejects.toMatchObject({ kind: 'damaged' });
    await craft({ entries: parts.entries.slice(0, -1) });
    await expect(verifyBackup(file, key.unlock, silent)).rejects.toThrow(
      'its ledger is not the one that its manifest names',
    );
    const [first, second, ...others] = parts.entries;
    await craft({ entries: [first, { ...second, actor: 'someone else' }, ...others] as LedgerEntry[] });
    await expect(verifyBackup(file, key.unlock, silent)).rejects.toThrow('ledger entry 2 was altered');
  });

  it('where a line of its ledger is no entry', () => {
    expect(() => parseLedgerPiece(Buffer.from('{"sequence":"1"}\n'))).toThrow(
      'a line of its ledger is no entry',
    );
    expect(() => parseLedgerPiece(Buffer.from('{"sequence":1}'))).toThrow('cut off');
  });
});
