import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, it, onTestFinished, vi } from 'vitest';
import { parseDocument } from 'yaml';
import { readPrivateKeyFile } from '../../../certs/key-file.ts';
import { dataDirectory } from '../../../src/contract/data-directory.ts';
import { openPeople } from '../../../src/control/people/open-people.ts';
import { runControl } from '../../../src/control/run-control.ts';
import { loadSettings } from '../../../src/control/settings-file.ts';
import { verifyRecords } from '../../../src/flow/verify/verify-records.ts';
import { openSqliteLedger } from '../../../src/ledger/sqlite/sqlite-ledger.ts';
import { openRecorder } from '../../flow/flow-directory.ts';
import { allowedFacts, answered, deniedFacts, refused } from '../../flow/samples.ts';
import { makeInstallation } from '../installation.ts';
import type { Installation } from '../installation.ts';

vi.setConfig({ testTimeout: 60_000 });

const dayMs = 86_400_000;

async function installed(flows: object): Promise<Installation> {
  const made = await makeInstallation();
  onTestFinished(made.remove);
  const document = parseDocument(readFileSync(made.configFile, 'utf8'));
  document.set('flows', document.createNode({ minFreeBytes: 0, dropAtBound: [], ...flows }));
  writeFileSync(made.configFile, String(document));
  return made;
}

async function run({ configFile }: Installation): Promise<{ close(): Promise<void> }> {
  const running = await runControl({
    start: { type: 'start', configFile, bootId: 'boot-of-now', role: 'all', passphrase: undefined },
    settings: loadSettings(configFile),
    send: () => undefined,
    clock: Date.now,
    logger: pino({ level: 'silent' }),
    housekeepingMs: 20,
  });
  let isClosed = false;
  const close = async (): Promise<void> => {
    if (!isClosed) await running.close();
    isClosed = true;
  };
  onTestFinished(close);
  return { close };
}

it('a server that runs removes by itself what has had the days of the settings, and nothing else', async () => {
  const made = await installed({ retention: { flowsDays: 10, securityDays: 20 } });
  const flows = join(made.data, dataDirectory.flows);
  const kept = join(made.data, dataDirectory.keptRecords);
  const record = (daysAgo: number): void => {
    const recorder = openRecorder(flows, {
      bootId: `boot-${daysAgo}`,
      now: () => Date.now() - daysAgo * dayMs,
    });
    recorder.request(allowedFacts, answered);
    recorder.request(deniedFacts, refused);
    recorder.close();
  };
  for (const daysAgo of [30, 15, 5]) record(daysAgo);
  const server = await run(made);
  const left = (directory: string): string[] =>
    existsSync(directory) ? readdirSync(directory).filter((name) => !name.endsWith('.head')) : [];
  await vi.waitUntil(() => left(flows).length === 1 && left(kept).length === 1, { timeout: 30_000 });
  expect(left(flows)).toEqual([expect.stringContaining('boot-5')]);
  expect(left(kept)).toEqual([expect.stringContaining('boot-15')]);
  await server.close();
  const { problems, retirements } = await verifyRecords(made.data);
  expect(problems).toEqual([]);
  expect(
    retirements
      .map(({ bootId, by, kept: count }) => `${bootId} ${by} ${count}`)
      .toSorted((a, b) => (a < b ? -1 : 1)),
  ).toEqual(['boot-15 gateway.example.org 1', 'boot-30 gateway.example.org 0']);
});

it('a key of somebody who was erased goes again when a backup has brought it back', async () => {
  const made = await installed({ pseudonyms: true });
  const settings = loadSettings(made.configFile);
  const open = async () => {
    const deviceAuthorityKeyPem = await readPrivateKeyFile(
      join(made.data, dataDirectory.deviceAuthorityKey),
      undefined,
    );
    const people = openPeople(settings, {
      configFile: made.configFile,
      data: made.data,
      deviceAuthorityKeyPem,
    });
    if (people === undefined) throw new TypeError('no pseudonyms');
    onTestFinished(() => people.close());
    return people;
  };
  const people = await open();
  const [alice, bob] = ['alice@example.org', 'bob@example.org'];
  for (const user of [alice, bob]) await people.pseudonym(user, Date.now());
  const ledger = openSqliteLedger(join(made.data, dataDirectory.ledger));
  const { hash } = await ledger.head();
  await ledger.append(hash, 'api-key:admin', [
    { type: 'person-erased', person: (await people.idOf(alice)) ?? '', reason: 'left' },
  ]);
  await ledger.close();
  await run(made);
  await vi.waitUntil(async () => (await people.idOf(alice)) === undefined, { timeout: 30_000 });
  expect(await people.idOf(bob)).toBeDefined();
});
