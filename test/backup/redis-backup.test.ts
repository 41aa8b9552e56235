import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { restoreBackup } from '../../src/backup/restore-backup.ts';
import { takeBackup } from '../../src/backup/take-backup.ts';
import { openLedger } from '../../src/control/store/open-ledger.ts';
import { loadSettings } from '../../src/control/settings-file.ts';
import { copyLedger } from '../../src/ledger/copy-ledger.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import type { StoredLedger } from '../../src/ledger/ledger.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { freshPrefix } from '../lab/redis-ledgers.ts';
import { hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { deviceState, enrolled, networkPut, tokenCreated } from '../ledger/samples.ts';
import { keyPair, silent } from './backup-lab.ts';

describe.skipIf(!hasRedis)(`with the ledger in Redis${redisHint}`, () => {
  let server: RedisServer;
  let made: Installation;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());
  beforeEach(async () => {
    made = await makeInstallation();
    await useRedis(freshPrefix());
    const embedded = openSqliteLedger(join(made.data, 'ledger.db'));
    const ledger = openNamed();
    await copyLedger(embedded, ledger);
    await embedded.close();
    await ledger.append((await ledger.head()).hash, 'test', [
      networkPut('finance'),
      tokenCreated('t'),
      enrolled('d', 't'),
    ]);
    // Another server's own: its private half never comes here.
    const jwk = { kty: 'EC', crv: 'P-256', x: 'x'.repeat(43), y: 'y'.repeat(43) } as const;
    const key = { kid: 'elsewhere', use: 'session', jwk, publishedAt: 1 } as const;
    await ledger.append((await ledger.head()).hash, 'test', [{ type: 'key-published', key }]);
    await ledger.close();
    // What the embedded one was is over.
    for (const suffix of ['', '.head']) await rm(join(made.data, `ledger.db${suffix}`));
  });
  afterEach(() => made.remove());

  const openNamed = (): StoredLedger =>
    openLedger(loadSettings(made.configFile), made.configFile) as StoredLedger;

  async function useRedis(prefix: string): Promise<void> {
    const settings = parseDocument(await readFile(made.configFile, 'utf8'));
    settings.set('ledger', { redis: { url: `redis://127.0.0.1:${server.port}`, prefix } });
    await writeFile(made.configFile, String(settings));
  }

  it('is backed up from there, keeps what was revoked there, and goes into another Redis', async () => {
    const { lock, unlock } = await keyPair();
    const file = join(made.directory, 'backup.age');
    const ledger = openNamed();
    await takeBackup({
      directory: made.data,
      settings: await readFile(made.configFile),
      ledger,
      isShared: true,
      file,
      lock,
      now: Date.now(),
      progress: silent,
    });
    await ledger.append((await ledger.head()).hash, 'test', [
      deviceState('d', 'revoked'),
      networkPut('backdoor'),
    ]);
    await ledger.close();
    const directory = join(made.directory, 'restored');
    const survivors = [made.configFile];
    const restored = await restoreBackup({
      file,
      unlock,
      directory,
      survivors,
      now: Date.now(),
      progress: silent,
    });
    expect(restored.survivors).toEqual([made.configFile]);
    expect([...restored.state.devices.values()].map(({ state }) => state)).toEqual(['revoked']);
    expect([...restored.state.networks.keys()]).toEqual(['finance']);

    const embedded = openSqliteLedger(join(directory, 'ledger.db'));
    await useRedis(freshPrefix());
    const target = openNamed();
    expect((await copyLedger(embedded, target)).head).toEqual(restored.state.head);
    await target.close();
    await embedded.close();
  });
});
