import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createAccessRecorder } from '../../src/flow/access-recorder.ts';
import type { AccessRecorder } from '../../src/flow/access-recorder.ts';
import { parseHead } from '../../src/flow/spool/head.ts';
import { readAccess } from '../../src/flow/read/read-access.ts';
import { verifyFlows } from '../../src/flow/verify/verify-flows.ts';
import { recordsIn, segmentsIn } from '../lab/flow-records.ts';
import { makeFlowDirectory } from './flow-directory.ts';
import { monday } from './samples.ts';

function open(directory: string, segmentBytes?: number): AccessRecorder {
  const recorder = createAccessRecorder({
    directory,
    origin: { productVersion: '0.1.0', domain: 'example.org' },
    bootId: 'boot-1',
    now: () => monday,
    ...(segmentBytes === undefined ? {} : { segmentBytes }),
  });
  onTestFinished(() => recorder.close());
  return recorder;
}

const access = (more: object = {}) => ({
  id: 'request-1',
  at: monday,
  actor: 'api-key:ci',
  roles: ['soc'],
  address: '192.0.2.7',
  operation: 'GET /v1/devices',
  target: {},
  count: 3,
  ...more,
});

/** The last record that is known to be on disk: written only after a sync of what it speaks of. */
function synced(directory: string): number {
  const name = readdirSync(directory).find((file) => file.endsWith('.head')) ?? '';
  return parseHead(readFileSync(join(directory, name), 'latin1'))?.sequence ?? 0;
}

test('says that a record is written only once the disk has it, for each of many at once', async () => {
  const directory = makeFlowDirectory();
  const recorder = open(directory);
  const seen = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const isWritten = await recorder.record(access({ id: `r${index}` }));
      return isWritten && synced(directory) >= index + 1;
    }),
  );
  expect(seen).toEqual(seen.map(() => true));
  expect(recordsIn(directory)).toHaveLength(50);
});

test('records nothing after it was closed, and says so', async () => {
  const recorder = open(makeFlowDirectory());
  recorder.close();
  expect(await recorder.record(access())).toBe(false);
  expect(recorder.healthy()).toBe(false);
});

test('goes on in further files and after a restart, and is read back across them, newest first', async () => {
  const directory = makeFlowDirectory();
  for (const start of [0, 10]) {
    const recorder = open(directory, 2000);
    for (let n = start; n < start + 10; n += 1) await recorder.record(access({ id: `r${n}` }));
    recorder.close();
  }
  expect(segmentsIn(directory).length).toBeGreaterThan(4);
  expect(await verifyFlows(directory)).toMatchObject({ records: 20, problems: [] });
  const first = await readAccess(directory, { limit: 7 });
  const rest = await readAccess(directory, { limit: 50, ...(first.next && { from: first.next }) });
  expect([...first.records, ...rest.records].map(({ metadata }) => metadata.correlation_uid)).toEqual(
    Array.from({ length: 20 }, (_, n) => `r${19 - n}`),
  );
  expect(rest.next).toBeUndefined();
});

test('bounds what clients wrote, and keeps it to one line of ASCII', async () => {
  const directory = makeFlowDirectory();
  const recorder = open(directory);
  await recorder.record(access({ target: { user: `\u202ea\n"${'x'.repeat(5000)}`, app: '\ud800' } }));
  const [record] = recordsIn(directory);
  const target = record?.unmapped.postern['target'] as Record<string, string>;
  expect(target['user']).toHaveLength(255);
  const file = readFileSync(join(directory, segmentsIn(directory)[0] ?? ''));
  expect([...file].filter((byte) => byte > 0x7e || (byte < 0x20 && byte !== 0x0a))).toEqual([]);
  expect((await readAccess(directory, { limit: 5 })).records).toHaveLength(1);
});
