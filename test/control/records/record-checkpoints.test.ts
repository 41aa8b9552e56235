import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterEach, expect, it } from 'vitest';
import { dataDirectory } from '../../../src/contract/data-directory.ts';
import type { SupervisorToControl } from '../../../src/contract/ipc.ts';
import { createNewestLives } from '../../../src/control/newest-lives.ts';
import { runControl } from '../../../src/control/run-control.ts';
import type { ControlProcess } from '../../../src/control/run-control.ts';
import { loadSettings } from '../../../src/control/settings-file.ts';
import { headName } from '../../../src/flow/spool/segment-names.ts';
import { verifyRecords } from '../../../src/flow/verify/verify-records.ts';
import { segmentsIn } from '../../lab/flow-records.ts';
import { detectionsWorker } from '../../../src/flow/spool/chain.ts';
import { openRecorder } from '../../flow/flow-directory.ts';
import { allowedFacts, answered } from '../../flow/samples.ts';
import { makeInstallation } from '../installation.ts';
import type { Installation } from '../installation.ts';

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

const passphrase = 'of a test';

async function makeServed(): Promise<Installation> {
  const made = await makeInstallation(passphrase);
  ends.push(made.remove);
  return made;
}

async function control(
  { configFile }: Installation,
  bootId: string,
  clock: () => number = Date.now,
): Promise<ControlProcess> {
  const start: Extract<SupervisorToControl, { type: 'start' }> = {
    type: 'start',
    configFile,
    bootId,
    role: 'all',
    passphrase,
  };
  const process = await runControl({
    start,
    settings: loadSettings(configFile),
    send: () => undefined,
    clock,
    logger: pino({ level: 'silent' }),
  });
  ends.push(() => process.close());
  return process;
}

it('signs what workers wrote with a key that is its own, also after it was started again', async () => {
  const installation = await makeServed();
  const { data } = installation;
  for (const bootId of ['boot-1', 'boot-2']) {
    const running = await control(installation, bootId);
    const worker = openRecorder(join(data, dataDirectory.flows), { bootId, now: Date.now });
    worker.request(allowedFacts, answered);
    worker.close();
    await running.close();
  }
  const keyFile = join(data, dataDirectory.checkpointKey);
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
  expect(await readFile(keyFile, 'latin1')).toContain('ENCRYPTED');
  expect((await stat(join(data, dataDirectory.checkpoints))).mode & 0o777).toBe(0o700);
  expect((await stat(join(data, dataDirectory.checkpointPublicKeys))).mode & 0o777).toBe(0o644);
  const report = await verifyRecords(data);
  expect(report.problems).toEqual([]);
  expect(report.streams.map(({ worker, records, vouched }) => [worker, records, vouched])).toEqual([
    [1, 1, 1],
    [1, 1, 1],
    // The newest entry of the ledger, at the first start.
    [0, 1, 1],
    [0, 0, 0],
  ]);
  expect(report.checkpoints.map(({ records }) => records)).toEqual(['flows', 'access']);
});

it('does not take the detections for over because the clock was set', async () => {
  const installation = await makeServed();
  let set = 0;
  const clock = (): number => Date.now() + set;
  const running = await control(installation, 'boot-1', clock);
  const detections = openRecorder(join(installation.data, dataDirectory.flows), {
    bootId: 'boot-1',
    worker: detectionsWorker,
    now: clock,
  });
  const recordOne = (): Promise<void> => {
    detections.request(allowedFacts, answered);
    return new Promise((resolve) => detections.whenSynced(resolve));
  };
  await recordOne();
  set = 3_600_000;
  await running.close();
  await recordOne();
  const { problems, streams } = await verifyRecords(installation.data);
  expect([problems, streams[0]]).toMatchObject([[], { worker: detectionsWorker, records: 2, vouched: 1 }]);
});

it('takes the newest chain of a process for alive, and those before it for over', () => {
  const lifeOf = createNewestLives();
  const chain = (startedAt: number) => ({ bootId: 'boot-1', worker: detectionsWorker, startedAt });
  expect([1, 1, 5, 1, 5].map((startedAt) => lifeOf(chain(startedAt)))).toEqual([
    'live',
    'live',
    'live',
    'gone',
    'live',
  ]);
});

it('is missed where a chain was removed, or all that was signed', async () => {
  const installation = await makeServed();
  const { data } = installation;
  const running = await control(installation, 'boot-1');
  const flows = join(data, dataDirectory.flows);
  const worker = openRecorder(flows, { now: Date.now });
  worker.request(allowedFacts, answered);
  worker.close();
  await running.close();
  const kept = await readFile(join(flows, segmentsIn(flows)[0] ?? ''));
  for (const name of await readdir(flows)) await rm(join(flows, name));
  expect((await verifyRecords(data)).problems.map(({ kind }) => kind)).toEqual([
    'segment-missing',
    'missing',
  ]);
  const other = { worker: 9, startedAt: 1_700_000_000_000, bootId: 'boot-1' };
  await writeFile(join(flows, `${headName(other).replace('.head', '')}-000001.jsonl`), kept);
  await rm(join(data, dataDirectory.checkpoints), { recursive: true });
  expect((await verifyRecords(data)).problems.map(({ kind }) => kind)).toContain('checkpoint-missing');
});
