import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { X509Certificate } from 'node:crypto';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { readPrivateKeyFile } from '../../certs/key-file.ts';
import { loadSettings } from '../../src/control/settings-file.ts';
import { verifyApiKey } from '../../src/control/api/api-key.ts';
import { emptyState, applyEntry } from '../../src/ledger/fold.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { runPostern } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-init-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const init = (args: readonly string[] = []) =>
  runPostern(['init', '--data', join(directory, 'data'), '--domain', 'example.org', ...args], {
    env: { POSTERN_CONTEXT: join(directory, 'config', 'context.yaml') },
  });
const modeOf = async (path: string): Promise<string> =>
  ((await stat(join(directory, path))).mode & 0o777).toString(8);

it('makes authorities, keys, a ledger and settings that can be served from, readable by nobody else where they are secret', async () => {
  const made = await init();
  expect(made).toMatchObject({ code: 0, err: '' });
  expect(loadSettings(join(directory, 'data/postern.yaml')).domain).toBe('example.org');
  const pem = (name: string) => readFile(join(directory, `data/certs/${name}.crt`), 'utf8');
  const root = new X509Certificate(await pem('root'));
  for (const name of ['device-authority', 'service-authority'])
    expect(new X509Certificate(await pem(name)).verify(root.publicKey)).toBe(true);
  for (const path of ['data/keys', 'data/flows', 'data/keys/signing'])
    expect(await modeOf(path), path).toBe('700');
  const keys = (await readdir(join(directory, 'data/keys'), { recursive: true })).filter((name) =>
    name.endsWith('.key'),
  );
  expect(keys).toHaveLength(7);
  for (const key of keys) expect(await modeOf(`data/keys/${key}`), key).toBe('600');
  expect(await modeOf('data/ledger.db')).toBe('600');
  expect(made.out).toContain(`Move ${join(directory, 'data/keys/root.key')} to offline media`);
});

it('prints the API key once, keeps it for its owner in the context file, and its hash alone in the data directory', async () => {
  const { out } = await init();
  const [key = ''] = /pak1\.\S+/.exec(out) ?? [];
  expect(out.split(key)).toHaveLength(2);
  const context = parse(await readFile(join(directory, 'config/context.yaml'), 'utf8'));
  expect(context).toMatchObject({
    apiKey: key,
    server: 'https://localhost:8444',
    data: join(directory, 'data'),
  });
  expect(await modeOf('config/context.yaml')).toBe('600');

  const ledger = openSqliteLedger(join(directory, 'data/ledger.db'));
  const state = emptyState();
  for await (const entry of ledger.read(0)) {
    applyEntry(state, entry);
    expect(entry.actor).toBe('postern:init');
    expect(entry.data).not.toContain(key.split('.').at(-1));
  }
  await ledger.close();
  expect(verifyApiKey(`Bearer ${key}`, state.apiKeys, 0)).toMatchObject({ name: 'admin', role: 'owner' });
  expect(verifyApiKey(`Bearer ${key.slice(0, -1)}`, state.apiKeys, 0)).toEqual({ code: 'api-key-invalid' });
  const files = (await readdir(join(directory, 'data'), { recursive: true, withFileTypes: true })).filter(
    (file) => file.isFile(),
  );
  for (const file of files)
    expect(await readFile(join(file.parentPath, file.name), 'latin1'), file.name).not.toContain(
      key.split('.').at(-1),
    );
});

it('refuses a directory with something in it, and leaves that as it was', async () => {
  await init();
  const before = await readFile(join(directory, 'data/keys/root.key'), 'utf8');
  const again = await init();
  expect(again.code).toBe(2);
  expect(again.err).toContain('is not empty; nothing in it was touched');
  expect(await readFile(join(directory, 'data/keys/root.key'), 'utf8')).toBe(before);
});

it('keeps an earlier context file, which may hold the only copy of another key', async () => {
  await init();
  const first = await readFile(join(directory, 'config/context.yaml'), 'utf8');
  await rm(join(directory, 'data'), { recursive: true });
  const second = await init();
  expect(second.code).toBe(0);
  expect(await readFile(join(directory, 'config/context.yaml.previous'), 'utf8')).toBe(first);
});

it('encrypts the keys with a passphrase, which then opens them and no other does', async () => {
  await writeFile(join(directory, 'passphrase'), 'correct horse\n', { mode: 0o600 });
  expect(await init(['--passphrase-file', join(directory, 'passphrase')])).toMatchObject({ code: 0 });
  const path = join(directory, 'data/keys/device-authority.key');
  expect(await readFile(path, 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
  await expect(readPrivateKeyFile(path, 'correct horse')).resolves.toContain('BEGIN PRIVATE KEY');
  await expect(readPrivateKeyFile(path, 'wrong')).rejects.toThrow('wrong passphrase');
  await writeFile(join(directory, 'empty'), '\n');
  await rm(join(directory, 'data'), { recursive: true });
  expect(await init(['--passphrase-file', join(directory, 'empty')])).toMatchObject({ code: 2 });
});

it.each(['Example.org', 'exa mple', '-a.org', 'ex..org', 'exämple.org'])(
  'refuses %j as a domain and makes nothing',
  async (domain) => {
    const refused = await runPostern(['init', '--data', join(directory, 'data'), '--domain', domain]);
    expect(refused).toMatchObject({ code: 2, out: '' });
    expect(await readdir(directory)).toEqual([]);
  },
);
