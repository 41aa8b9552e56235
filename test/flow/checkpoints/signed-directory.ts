import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dataDirectory } from '../../../src/contract/data-directory.ts';
import { startCheckpointer } from '../../../src/flow/checkpoints/checkpointer.ts';
import type { Checkpointer } from '../../../src/flow/checkpoints/checkpointer.ts';
import type { FlowProblem } from '../../../src/flow/verify/flow-report.ts';
import { createFlowRecorder } from '../../../src/flow/recorder.ts';
import type { SpoolingFlowRecorder } from '../../../src/flow/recorder.ts';
import { verifyRecords } from '../../../src/flow/verify/verify-records.ts';
import { segmentsIn } from '../../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder } from '../flow-directory.ts';
import { deniedFacts, monday, refused } from '../samples.ts';

export const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
export const publicPem = (key = privateKey): string =>
  createPublicKey(key).export({ format: 'pem', type: 'spki' });

/** A data directory with nothing in it but where records go, and the public key. */
export function makeData(): string {
  const data = makeFlowDirectory();
  fillData(data);
  return data;
}

function fillData(data: string): void {
  for (const folder of [dataDirectory.flows, 'certs']) mkdirSync(join(data, folder), { mode: 0o700 });
  writeFileSync(join(data, dataDirectory.checkpointPublicKeys), publicPem());
}

export const flowsOf = (data: string): string => join(data, dataDirectory.flows);
export const checkpointsOf = (data: string): string => join(data, dataDirectory.checkpoints);

/** The clock of both, moved on by hand. */
export const clock = { now: monday + 1000 };

export const openCheckpointer = (
  data: string,
  lifeOf: () => 'live' | 'gone' | 'unknown' = () => 'live',
  rewritten: string[] = [],
): Promise<Checkpointer> =>
  startCheckpointer({
    recordDirectory: flowsOf(data),
    directory: checkpointsOf(data),
    records: 'flows',
    privateKey,
    lifeOf,
    now: () => clock.now,
    onRewritten: (stream) => rewritten.push(stream),
    onFailure(error) {
      throw error;
    },
  });

export function recordSome(recorder: SpoolingFlowRecorder, count: number): Promise<void> {
  for (let index = 0; index < count; index += 1) recorder.request(deniedFacts, refused);
  return new Promise((resolve) => recorder.whenSynced(resolve));
}

export const open = (data: string, options: Parameters<typeof openRecorder>[1] = {}): SpoolingFlowRecorder =>
  openRecorder(flowsOf(data), { now: () => clock.now, ...options });

/** Two workers with fifty records each, in several files, signed every ten records and at their end. */
export async function makeSigned(): Promise<string> {
  clock.now = monday + 1000;
  const data = mkdtempSync(join(tmpdir(), 'postern-signed-'));
  fillData(data);
  const checkpointer = await openCheckpointer(data);
  const workers = [1, 2].map((worker) => openSpool(data, worker));
  for (let round = 0; round < 5; round += 1) {
    for (const worker of workers) await recordSome(worker, 10);
    clock.now += 10_000;
    await checkpointer.tick();
  }
  for (const worker of workers) worker.close();
  clock.now += 100_000;
  await checkpointer.close();
  return data;
}

const openSpool = (data: string, worker: number): SpoolingFlowRecorder =>
  createFlowRecorder({
    directory: flowsOf(data),
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'boot-1',
    worker,
    productVersion: '0.1.0',
    now: () => clock.now,
    segmentBytes: 30_000,
  });

export function copyOf(data: string): string {
  const copy = makeFlowDirectory();
  cpSync(data, copy, { recursive: true });
  return copy;
}

export const segmentsOf = (data: string, worker: number): string[] =>
  segmentsIn(flowsOf(data)).filter((name) => name.startsWith(`worker-000${worker}`));

export const linesOf = (data: string, name: string): string[] =>
  readFileSync(join(flowsOf(data), name), 'latin1')
    .split('\n')
    .slice(0, -1);

/** What verifying names: kind, worker and range. */
export async function verdictOn(data: string, keyFile?: string): Promise<unknown[]> {
  const { problems } = await verifyRecords(data, keyFile === undefined ? {} : { keyFile });
  return problems.map(({ kind, worker, from, to }: FlowProblem) => [kind, worker, from, to]);
}
