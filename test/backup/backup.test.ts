import { execFileSync } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unlock } from '../../src/backup/age-file.ts';
import { verifyBackup } from '../../src/backup/take-backup.ts';
import { openSigningKeyFiles } from '../../src/control/keys/signing-key-files.ts';
import type { LedgerEntry } from '../../src/domain/events.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { networkPut } from '../ledger/samples.ts';
import { append, backUp, keyPair, openLedger, silent } from './backup-lab.ts';

let made: Installation;
let file: string;
beforeEach(async () => {
  made = await makeInstallation();
  file = join(made.directory, 'backup.age');
});
afterEach(() => made.remove());

describe('a backup', () => {
  it('holds ledger, keys, certificates, settings and what else lies there, and no flow records', async () => {
    const { lock, unlock } = await keyPair();
    await append(made, networkPut('finance'));
    await writeFile(join(made.data, 'upstream-ca.pem'), 'a certificate');
    await writeFile(join(made.data, 'flows', 'worker-0.jsonl'), 'a record');
    await writeFile(join(made.data, 'access', 'one.jsonl'), 'who read what');
    const taken = await backUp(made, file, lock);
    expect(taken.leftOut).toEqual([]);
    const { manifest, paths, state, sha256 } = await verifyBackup(file, unlock, silent);
    const keys = (await readdir(join(made.data, 'keys/signing'))).map((name) => `keys/signing/${name}`);
    expect(paths.toSorted()).toEqual(
      [
        'FORMAT',
        'certs/device-authority.crt',
        'certs/root.crt',
        'certs/service-authority.crt',
        'keys/device-authority.key',
        'keys/root.key',
        'keys/service-authority.key',
        ...keys,
        'postern.yaml',
        'upstream-ca.pem',
      ].toSorted(),
    );
    expect([...state.networks.keys()]).toEqual(['finance']);
    expect(manifest).toMatchObject({ domain: 'example.org', directory: made.data, head: state.head });
    expect(execFileSync('sha256sum', [file], { encoding: 'utf8' })).toBe(`${sha256}  ${file}\n`);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'latin1')).not.toContain('PRIVATE KEY');
  });

  it('is a tar with sums in an age file: tar and sha256sum read it without us', async () => {
    const { lock, unlock: key } = await keyPair();
    await backUp(made, file, lock);
    const out = join(made.directory, 'by-hand');
    await mkdir(out);
    const tar = join(made.directory, 'backup.tar');
    const plain = await unlock(Readable.toWeb(createReadStream(file)) as ReadableStream<Uint8Array>, key);
    await pipeline(plain, createWriteStream(tar));
    execFileSync('tar', ['xf', tar, '-C', out]);
    const checked = execFileSync('sha256sum', ['-c', 'SHA256SUMS'], { cwd: out, encoding: 'utf8' });
    expect(checked.split('\n').filter((line) => line.endsWith(': OK')).length).toBeGreaterThan(10);
    expect(await readFile(join(out, 'data/keys/root.key'), 'utf8')).toBe(
      await readFile(join(made.data, 'keys/root.key'), 'utf8'),
    );
    const lines = (await readFile(join(out, 'ledger/0000000000000001.jsonl'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as LedgerEntry).sequence)).toEqual(
      lines.map((_, index) => index + 1),
    );
  });

  it('is of one moment, while others append and rotate keys', async () => {
    const { lock, unlock } = await keyPair();
    const writer = openLedger(made);
    const keyFiles = openSigningKeyFiles(made.data);
    const done = new AbortController();
    const writing = (async () => {
      for (let n = 0; !done.signal.aborted; n += 1) {
        const key = await keyFiles.create('session', n);
        await writer.append((await writer.head()).hash, 'test', [
          { type: 'key-published', key },
          networkPut(`network-${n}`),
        ]);
        if (n > 0) {
          await writer.append((await writer.head()).hash, 'test', [{ type: 'key-retired', kid: key.kid }]);
          await keyFiles.delete('session', key.kid);
        }
      }
    })();
    try {
      for (let round = 0; round < 5; round += 1) {
        const taken = await backUp(made, `${file}.${round}`, lock);
        const { state } = await verifyBackup(`${file}.${round}`, unlock, silent);
        expect(state.head).toEqual(taken.manifest.head);
      }
    } finally {
      done.abort();
      await writing;
      await writer.close();
    }
  });

  it('names what it leaves out: links, which would lead elsewhere, and names that no backup takes', async () => {
    const { lock } = await keyPair();
    await symlink('/etc/passwd', join(made.data, 'link.pem'));
    await writeFile(join(made.data, '.hidden'), '');
    const { leftOut } = await backUp(made, file, lock);
    expect(leftOut).toEqual(['.hidden: not a name that a backup takes', 'link.pem: not a plain file']);
  });

  it('is not made of an installation that lacks a key in use, and leaves nothing behind', async () => {
    const { lock } = await keyPair();
    const ledger = openLedger(made);
    const lost = {
      kid: 'lost',
      use: 'session',
      jwk: { kty: 'EC', crv: 'P-256', x: 'x'.repeat(43), y: 'y'.repeat(43) },
      publishedAt: 1,
    } as const;
    await ledger.append((await ledger.head()).hash, 'test', [{ type: 'key-published', key: lost }]);
    await ledger.close();
    await expect(backUp(made, file, lock)).rejects.toThrow('has lost keys/signing/session-lost.key');
    expect(await readdir(made.directory)).toEqual(['data']);
  });

  it('is not made where it cannot be written, and what was there before stays', async () => {
    const { lock, unlock } = await keyPair();
    await backUp(made, file, lock);
    // What the file system refuses: here, a name that is taken.
    await writeFile(`${file}.${process.pid}.tmp`, 'of another');
    await append(made, networkPut('later'));
    await expect(backUp(made, file, lock)).rejects.toThrow('EEXIST');
    expect((await verifyBackup(file, unlock, silent)).state.networks.size).toBe(0);
  });
});
