import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { keyPair } from '../../backup/backup-lab.ts';
import { makeInstallation } from '../../control/installation.ts';
import type { Installation } from '../../control/installation.ts';
import { runPostern } from '../run-postern.ts';

// Each test starts several processes, and a passphrase costs seconds on purpose.
vi.setConfig({ testTimeout: 90_000 });

let made: Installation;
let out: string;
let passphraseFile: string;
beforeEach(async () => {
  made = await makeInstallation();
  out = await mkdtemp(join(tmpdir(), 'postern-backups-'));
  passphraseFile = join(made.directory, 'passphrase');
  await writeFile(passphraseFile, 'correct horse battery\n', { mode: 0o600 });
});
afterEach(async () => {
  await made.remove();
  await rm(out, { recursive: true, force: true });
});

const backup = (...args: readonly string[]) =>
  runPostern(['backup', ...args], { env: { POSTERN_BACKUP_PASSPHRASE_FILE: passphraseFile } });

it('writes a backup, says what is in it, and opens it again with the passphrase alone', async () => {
  const file = join(out, 'b.age');
  const taken = await backup(file, '--config', made.configFile);
  expect(taken).toMatchObject({ code: 0 });
  expect(taken.out).toMatch(/^Backup written to .*b\.age, read back and verified\.\nof +example\.org, /);
  expect(taken.err).toContain('the root key is still on this machine');
  expect(JSON.parse(await readFile(join(made.data, 'LAST_BACKUP'), 'utf8'))).toMatchObject({ file });
  expect(await readdir(out)).toEqual(['b.age']);

  const opened = await backup('--verify', file, '-o', 'json');
  expect(opened).toMatchObject({ code: 0, err: '' });
  const summary = JSON.parse(opened.out);
  expect(summary).toMatchObject({ domain: 'example.org', directory: made.data, hasRootKey: true });
  expect(taken.out).toContain(`SHA-256   ${summary.sha256}`);

  await writeFile(passphraseFile, 'incorrect horse battery\n');
  const wrong = await backup('--verify', file);
  expect(wrong).toMatchObject({ code: 2, out: '' });
  expect(wrong.err).toContain('the passphrase does not open it');
});

it('answers 1 for a backup with one bit flipped, and 2 for what is no file', async () => {
  const { recipient, identity } = await keyPair();
  const file = join(out, 'b.age');
  const identityFile = join(made.directory, 'identity');
  await writeFile(identityFile, `# created by age-keygen\n${identity}\n`, { mode: 0o600 });
  expect(await backup(file, '--config', made.configFile, '--recipient', recipient)).toMatchObject({
    code: 0,
  });
  expect(await backup('--verify', file, '--identity', identityFile)).toMatchObject({ code: 0 });
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 100) ^ 1, bytes.length - 100);
  await writeFile(file, bytes);
  const flipped = await backup('--verify', file, '--identity', identityFile);
  expect(flipped).toMatchObject({ code: 1, out: '' });
  expect(flipped.err).toContain('it was altered or cut off');
  expect(await backup('--verify', join(out, 'none'))).toMatchObject({ code: 2, out: '' });
});

it('writes nothing for a short passphrase, none, a wrong recipient, a file that exists, or one beside the ledger', async () => {
  const file = join(out, 'b.age');
  const config = ['--config', made.configFile];
  const refusals: [readonly string[], string][] = [
    [[file, ...config, '--recipient', 'age1nobody'], 'is not a recipient'],
    [[join(made.data, 'b.age'), ...config], 'is in the data directory'],
    [[passphraseFile, ...config], 'exists; --force replaces it'],
    [[file, '--config', join(out, 'none.yaml')], 'the settings cannot be used'],
    [[join(out, 'none', 'b.age'), ...config], 'ENOENT'],
  ];
  for (const [args, sentence] of refusals) {
    const refused = await backup(...args);
    expect(refused, sentence).toMatchObject({ code: 2, out: '' });
    expect(refused.err).toContain(sentence);
  }
  for (const mode of [0o640, 0o604, 0o602]) {
    await chmod(passphraseFile, mode);
    const open = await backup(file, ...config);
    expect(open).toMatchObject({ code: 2, out: '' });
    expect(open.err).toContain(`other users of this machine may read or change: chmod 600 ${passphraseFile}`);
  }
  await chmod(passphraseFile, 0o600);
  await writeFile(passphraseFile, 'short\n');
  expect((await backup(file, ...config)).err).toContain('at least 12 characters');
  const unasked = await runPostern(['backup', file, ...config]);
  expect(unasked).toMatchObject({ code: 2, out: '' });
  expect(unasked.err).toContain('no terminal to ask for the passphrase on: give --passphrase-file FILE');
  expect(await readdir(out)).toEqual([]);
  expect(await readdir(made.data)).not.toContain('LAST_BACKUP');
});
