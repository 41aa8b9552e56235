import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { DetectionsSinkSettings } from '../../src/contract/sinks.ts';
import { detectionsWorker } from '../../src/flow/spool/chain.ts';
import { verifyFlows } from '../../src/flow/verify/verify-flows.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow/flow-directory.ts';
import { allowedFacts, answered, deniedFacts, refused } from '../flow/samples.ts';
import { eventually, fileSink, makeDirectory, ship } from '../flow/shipper/shipping.ts';
import { problemsOf, recordsIn } from '../lab/flow-records.ts';
import type { ReadRecord } from '../lab/flow-records.ts';
import { createShipperProcess } from '../lab/shipper-process.ts';

const settings: DetectionsSinkSettings = {
  name: 'detections',
  type: 'detections',
  from: 'beginning',
  format: 'ocsf',
  learnDays: 14,
};
const findingsIn = (directory: string): ReadRecord[] =>
  recordsIn(directory).filter(({ class_uid: uid }) => uid === 2004);
const shown = (directory: string): unknown[] =>
  findingsIn(directory).map((record) => [
    record.unmapped.postern['rule'],
    record['activity_name'],
    record.unmapped.postern['user'],
    record.unmapped.postern['worker'],
  ]);
const burst = ['refusal-burst', 'Create', 'alice@example.org', detectionsWorker];

async function refuse(directory: string, count: number, bootId = 'boot-1'): Promise<void> {
  const recorder = openRecorder(directory, { bootId });
  for (let index = 0; index < count; index += 1) recorder.request(deniedFacts, refused);
  await whenWritten(recorder);
  recorder.close();
}

test('what is found is recorded beside the flows, proven with them, and delivered to the other sinks', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const file = fileSink(sinks);
  const shipping = await ship(flows, sinks, [settings, file]);
  await refuse(flows, 29);
  await eventually(async () => (await shipping.health())[0]?.lagRecords === 0);
  expect(shown(flows)).toEqual([]);
  await refuse(flows, 1, 'boot-2');
  await eventually(() => shown(flows).length > 0);
  expect(shown(flows)).toEqual([burst]);
  await eventually(() => readFileSync(file.path, 'utf8').includes('"name":"refusal-burst"'));
  const [finding] = findingsIn(flows);
  expect(finding && problemsOf(finding)).toEqual([]);
  expect(finding?.unmapped.postern['flows']).toHaveLength(30);
  await shipping.stop(20_000);
  expect((await verifyFlows(flows)).problems).toEqual([]);
  expect(shipping.troubles).toEqual([]);
}, 60_000);

test('killed at any moment it counts no record twice, and forgets none that it had not counted', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const shipper = createShipperProcess({
    recordDirectories: [flows],
    sinkDirectory: sinks,
    sinks: [{ settings }],
  });
  onTestFinished(() => shipper.kill());
  const memory = join(sinks, 'detections.memory');
  shipper.start();
  await refuse(flows, 20);
  await eventually(() => existsSync(memory));
  await shipper.kill();
  shipper.start();
  await refuse(flows, 9, 'boot-2');
  await eventually(() => readFileSync(memory, 'utf8').includes('boot-2'));
  await shipper.kill();
  // The cursor as if none of it had been acknowledged: it comes again.
  for (const name of readdirSync(sinks).filter((each) => each.endsWith('.cursor')))
    writeFileSync(join(sinks, name), JSON.stringify({ format: 'postern-sink-cursor-1', streams: {} }));
  shipper.start();
  await refuse(flows, 0, 'boot-3');
  const recorder = openRecorder(flows, { bootId: 'boot-4' });
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  recorder.close();
  await eventually(() => readFileSync(memory, 'utf8').includes('boot-4'));
  expect(shown(flows)).toEqual([]);
  await refuse(flows, 1, 'boot-5');
  await eventually(() => shown(flows).length > 0);
  expect(shown(flows)).toEqual([burst]);
  await shipper.kill();
}, 90_000);

test('a memory that cannot be read is told of, and begins anew; what is off is not looked for', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  writeFileSync(join(sinks, 'detections.memory'), 'nothing');
  await refuse(flows, 40);
  const shipping = await ship(flows, sinks, [{ ...settings, off: ['refusal-burst'] }]);
  await eventually(async () => (await shipping.health())[0]?.lagRecords === 0);
  expect(shipping.troubles).toEqual([
    { sink: 'detections', problem: expect.stringContaining('is no memory of detections') as unknown },
  ]);
  expect(shown(flows)).toEqual([]);
  await shipping.stop(20_000);
}, 60_000);
