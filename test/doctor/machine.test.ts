import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import packageFile from '../../package.json' with { type: 'json' };
import { noteBackup } from '../../src/backup/last-backup.ts';
import { initData } from '../../src/cli/init-data.ts';
import { installationOf } from '../../src/control/metrics.ts';
import { loadCheckpointKey, startRecordCheckpoints } from '../../src/control/records/record-checkpoints.ts';
import { listenOperator } from '../../src/control/operator-server.ts';
import { backupCheck } from '../../src/doctor/checks/backup.ts';
import { certificatesCheck } from '../../src/doctor/checks/certificates.ts';
import { clockCheck } from '../../src/doctor/checks/clock.ts';
import { diskCheck } from '../../src/doctor/checks/disk.ts';
import { flowsCheck } from '../../src/doctor/checks/flows.ts';
import { keyFilesCheck } from '../../src/doctor/checks/key-files.ts';
import { ledgerCheck } from '../../src/doctor/checks/ledger.ts';
import { namesCheck } from '../../src/doctor/checks/names.ts';
import { portsCheck } from '../../src/doctor/checks/ports.ts';
import { serverCheck } from '../../src/doctor/checks/server.ts';
import { versionsCheck } from '../../src/doctor/checks/versions.ts';
import { openSqliteLedger } from '../../src/ledger/sqlite/sqlite-ledger.ts';
import { append } from '../backup/backup-lab.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { openRecorder, whenWritten } from '../flow/flow-directory.ts';
import { allowedFacts, answered } from '../flow/samples.ts';
import { segmentsIn } from '../lab/flow-records.ts';
import { networkPut } from '../ledger/samples.ts';
import { find, inShort, set } from './doctor-lab.ts';

let made: Installation;
const closing: (() => Promise<void>)[] = [];
beforeEach(async () => {
  made = await makeInstallation();
});
afterEach(async () => {
  vi.useRealTimers();
  for (const close of closing.splice(0).reverse()) await close();
  await made.remove();
});

/** The operator endpoints as a server has them. */
async function answer(waitingFor: readonly string[], version: string, rootPem = made.rootPem): Promise<void> {
  const metrics = () =>
    `postern_build_info{version="${version}",node="v26.0.0",installation="${installationOf(rootPem)}"} 1\n`;
  const server = await listenOperator(
    { notReady: () => waitingFor, troubles: () => [], sinks: () => [], metrics },
    { host: '127.0.0.1', port: 0 },
  );
  closing.push(() => server.close());
  await set(made, ['operator', 'port'], server.port);
}

describe('the server', () => {
  it('is told from none, from one that passes no flows, and from another installation’s', async () => {
    expect(inShort(await find(serverCheck, made))).toEqual(['hint: no server runs here by these settings']);
    await answer([], packageFile.version);
    expect(inShort(await find(serverCheck, made))).toEqual(['ok: runs, and passes flows']);
    await answer(['workers', 'ledger'], packageFile.version);
    expect(inShort(await find(serverCheck, made))).toEqual([
      'error: runs, and passes no flows: it waits for workers, ledger',
    ]);
    await answer([], packageFile.version, 'another root');
    expect(inShort(await find(serverCheck, made))).toEqual(['hint: no server runs here by these settings']);
  });

  it('is to be of the version that is installed, and the data of its format', async () => {
    await answer([], packageFile.version);
    expect((await find(versionsCheck, made))[0]?.level).toBe('ok');
    await answer([], '0.0.9');
    expect(inShort(await find(versionsCheck, made))).toEqual([
      `warning: the server runs version 0.0.9, and ${packageFile.version} is installed`,
    ]);
    await writeFile(join(made.data, 'FORMAT'), 'postern-data-9\n');
    expect(inShort(await find(versionsCheck, made))[1]).toContain('has the format "postern-data-9"');
  });
});

describe('ports', () => {
  it('that another program has are named, with the program', async () => {
    const taken = createServer();
    taken.listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    await set(made, ['control', 'port'], port);
    expect(inShort(await find(portsCheck, made))).toEqual([
      expect.stringMatching(
        new RegExp(`^error: control port ${port} is taken by .* \\(process ${process.pid}\\)$`),
      ),
    ]);
    taken.close();
    await once(taken, 'close');
    expect(await find(portsCheck, made)).toEqual([{ level: 'ok', what: 'free' }]);
  });

  it('at an address that this machine does not have are errors', async () => {
    await set(made, ['control', 'listen'], '192.0.2.1');
    await set(made, ['control', 'port'], 8444);
    expect(inShort(await find(portsCheck, made))).toEqual([
      'error: control cannot listen at 192.0.2.1 port 8444: EADDRNOTAVAIL',
    ]);
  });
});

it('finds names that do not resolve, of gateways more severely', async () => {
  await set(made, ['control', 'names'], ['localhost']);
  expect(inShort(await find(namesCheck, made))).toEqual(['ok: 1 resolve']);
  await set(made, ['gateway', 'addresses'], ['gateway.invalid:8443', '127.0.0.1:8443']);
  await set(made, ['control', 'names'], ['control.invalid']);
  expect(inShort(await find(namesCheck, made))).toEqual([
    expect.stringMatching(/^error: gateway\.invalid does not resolve here/),
    expect.stringMatching(/^warning: control\.invalid does not resolve here/),
  ]);
});

describe('key files', () => {
  it('are for their owner alone; the root key is not to be there', async () => {
    expect(inShort(await find(keyFilesCheck, made))).toEqual([
      'hint: the root key is still on this machine; no running server needs it',
    ]);
    rmSync(join(made.data, 'keys/root.key'));
    expect(inShort(await find(keyFilesCheck, made))).toEqual(['ok: 6 keys, for their owner alone']);
    chmodSync(join(made.data, 'keys/device-authority.key'), 0o640);
    chmodSync(join(made.data, 'ledger.db'), 0o644);
    expect(inShort(await find(keyFilesCheck, made))).toEqual([
      'error: others may read keys/device-authority.key',
      'error: others may read ledger.db',
    ]);
  });

  it.runIf(process.getuid?.() === 0)('are of the owner of the directory', async () => {
    rmSync(join(made.data, 'keys/root.key'));
    chownSync(join(made.data, 'keys/device-authority.key'), 990, 990);
    expect(inShort(await find(keyFilesCheck, made))).toEqual([
      "error: keys/device-authority.key belongs to user 990, and the data directory's files to 0",
    ]);
  });
});

it.each([
  [0, 'ok', 'none expires soon'],
  [20 * 365 - 30, 'warning', 'the certificate of the root expires in '],
  [21 * 365, 'error', 'the certificate of the root has expired on '],
  [-2, 'error', 'the certificate of the root is not valid before '],
] as const)('judges authorities that were made %i days ago: %s', async (days, level, what) => {
  const directory = join(made.directory, 'aged');
  await initData({
    directory,
    domain: 'example.org',
    passphrase: undefined,
    now: new Date(Date.now() - days * 86_400_000),
  });
  const found = await find(certificatesCheck, { configFile: join(directory, 'postern.yaml') });
  expect(found).toContainEqual(expect.objectContaining({ level, what: expect.stringContaining(what) }));
});

describe('the disk', () => {
  const canMount = (() => {
    const place = `/tmp/postern-mount-${process.pid}`;
    mkdirSync(place);
    try {
      execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', place], { stdio: 'ignore' });
      execFileSync('umount', [place]);
      return true;
    } catch {
      return false;
    } finally {
      rmSync(place, { recursive: true });
    }
  })();

  it.skipIf(!canMount)(
    `that is nearly full, in bytes or in files, is named${canMount ? '' : ' [skipped: mounting needs root: sudo npm test]'}`,
    async () => {
      const flows = join(made.data, 'flows');
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m,nr_inodes=12', 'tmpfs', flows]);
      try {
        const about = async () => inShort(await find(diskCheck, made)).filter((line) => line.includes(flows));
        expect(await about()).toEqual([]);
        writeFileSync(join(flows, 'large'), Buffer.alloc(960 * 1024));
        expect(await about()).toEqual([expect.stringMatching(/^warning: .* has 0 MiB left, 6\.\d %$/)]);
        rmSync(join(flows, 'large'));
        for (let n = 0; n < 11; n += 1) writeFileSync(join(flows, String(n)), '');
        expect(await about()).toEqual([
          expect.stringMatching(/^error: .* has room for 0 files left, 0\.0 %$/),
        ]);
      } finally {
        execFileSync('umount', [flows]);
      }
    },
  );
});

describe('the ledger', () => {
  it('is followed to its end, and what is altered is named', async () => {
    await append(made, networkPut('finance'));
    expect((await find(ledgerCheck, made))[0]).toMatchObject({
      level: 'ok',
      what: expect.stringMatching(/^whole: 7 entries/),
    });
    const path = join(made.data, 'ledger.db');
    const bytes = await readFile(path);
    bytes.write('pn-Finance', bytes.indexOf('pn-finance'));
    await writeFile(path, bytes);
    expect(inShort(await find(ledgerCheck, made))).toEqual([
      'error: ledger entry 7 was altered: its hash differs',
    ]);
  });

  it('that cannot be looked at is not called damaged, and one that is gone is called so', async () => {
    rmSync(join(made.data, 'ledger.db'));
    mkdirSync(join(made.data, 'ledger.db'));
    const [unreadable] = await find(ledgerCheck, made);
    expect(unreadable).toMatchObject({ level: 'unknown', how: expect.stringContaining('as root') });
    rmSync(join(made.data, 'ledger.db'), { recursive: true });
    const [gone] = await find(ledgerCheck, made);
    expect(gone).toMatchObject({ level: 'error', how: expect.stringContaining('restore a backup') });
  });

  it('that lies in the future shows a clock that was set back', async () => {
    expect((await find(clockCheck, made))[0]?.level).toBe('unknown');
    const ledger = openSqliteLedger(join(made.data, 'ledger.db'), { now: () => Date.now() + 3_600_000 });
    await ledger.append((await ledger.head()).hash, 'test', [networkPut('finance')]);
    await ledger.close();
    expect(inShort(await find(clockCheck, made))).toEqual([
      expect.stringMatching(/^error: the ledger's last entry is 3\d\d\d s in the future/),
    ]);
  });
});

it('compares the clock with the identity provider’s', async () => {
  const { createServer: createHttp } = await import('node:http');
  let shiftMs = 0;
  const provider = createHttp((_request, response) => {
    response.setHeader('date', new Date(Date.now() + shiftMs).toUTCString());
    response.end();
  });
  provider.listen(0, '127.0.0.1');
  await once(provider, 'listening');
  closing.push(async () => void provider.close());
  const { port } = provider.address() as AddressInfo;
  const { collectFacts } = await import('../../src/doctor/facts.ts');
  const { loadSettings } = await import('../../src/control/settings-file.ts');
  const settings = loadSettings(made.configFile);
  const signIn = { issuer: `http://127.0.0.1:${port}` } as NonNullable<typeof settings.signIn>;
  const facts = {
    ...(await collectFacts(made.configFile, settings, Date.now())),
    settings: { ...settings, signIn },
  };
  expect(await clockCheck.run(facts)).toEqual([{ level: 'ok', what: 'agrees with the identity provider' }]);
  shiftMs = 120_000;
  expect(inShort(await clockCheck.run(facts))).toEqual([
    expect.stringMatching(/^error: this clock is 1(19|2[01]) s behind that of the identity provider$/),
  ]);
});

it('says how old the last backup is', async () => {
  expect((await find(backupCheck, made))[0]).toMatchObject({
    level: 'warning',
    what: expect.stringContaining('no backup was ever made here'),
  });
  const at = Math.floor(Date.now() / 1000);
  noteBackup(made.data, { at, file: '/mnt/none', sequence: 6 });
  expect((await find(backupCheck, made))[0]?.level).toBe('ok');
  noteBackup(made.data, { at: at - 9 * 86_400, file: '/mnt/none', sequence: 6 });
  expect(inShort(await find(backupCheck, made))).toEqual(['warning: the last backup is 9 days old']);
});

it('verifies the flow records of the last day, and no older ones', async () => {
  const directory = join(made.data, 'flows');
  const recorder = openRecorder(directory);
  for (let count = 0; count < 3; count += 1) {
    recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
  }
  recorder.close();
  expect(inShort(await find(flowsCheck, made))).toEqual(['ok: whole: 3 records in 1 files of the last day']);
  const [segment = ''] = segmentsIn(directory);
  const file = join(directory, segment);
  const lines = (await readFile(file, 'latin1')).split('\n');
  await writeFile(file, [lines[0], ...lines.slice(2)].join('\n'), 'latin1');
  const [altered] = await find(flowsCheck, made);
  expect(altered).toMatchObject({ level: 'error', what: expect.stringContaining(`${segment} (missing)`) });
  const long = new Date(Date.now() - 3 * 86_400_000);
  utimesSync(file, long, long);
  expect(inShort(await find(flowsCheck, made))).toEqual(['ok: whole: 0 records in 0 files of the last day']);
});

it('says when a server runs and no longer signs what is recorded, and nothing of one that does not run', async () => {
  const directory = join(made.data, 'flows');
  const recorder = openRecorder(directory);
  recorder.request(allowedFacts, answered);
  await new Promise<void>((resolve) => recorder.whenSynced(resolve));
  const signedAt = async (at: number): Promise<void> => {
    const checkpointer = await startRecordCheckpoints({
      data: made.data,
      records: 'flows',
      key: await loadCheckpointKey(made.data, undefined),
      lifeOf: () => 'live',
      clock: () => at,
      logger: pino({ level: 'silent' }),
    });
    await checkpointer.tick();
    await checkpointer.close();
  };
  const about = async (): Promise<string[]> => inShort(await find(flowsCheck, made));
  const long = Date.now() - 600_000;
  await signedAt(long);
  expect(await about()).toEqual(['ok: whole: 1 records in 1 files of the last day']);
  await answer([], packageFile.version);
  expect(await about()).toEqual([
    `error: the server runs, and signs no checkpoints of its records: flows since ${new Date(long).toISOString()}`,
  ]);
  await signedAt(Date.now());
  expect(await about()).toEqual(['ok: whole: 1 records in 1 files of the last day']);
  recorder.close();
});
