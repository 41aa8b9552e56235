import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { SyslogSinkSettings } from '../../../src/contract/sinks.ts';
import { retireSegments } from '../../../src/flow/spool/retire-segments.ts';
import { openCursorFile } from '../../../src/flow/shipper/cursor-file.ts';
import { confirmPositions } from '../../../src/flow/shipper/find-positions.ts';
import { applyChange } from '../../../src/flow/shipper/position.ts';
import type { Position } from '../../../src/flow/shipper/position.ts';
import { createSpoolListing } from '../../../src/flow/shipper/spool-listing.ts';
import { createSpoolReader } from '../../../src/flow/shipper/spool-reader.ts';
import { framesIn, linesIn, segmentsIn } from '../../lab/flow-records.ts';
import { validateOcsf } from '../../lab/ocsf.ts';
import { recordEveryKind } from '../every-record.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered, deniedFacts, monday, refused, request } from '../samples.ts';
import { delivered, eventually, fileSink, makeDirectory, ship } from './shipping.ts';

const linesOf = (path: string): string[] =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];

interface GapSeen {
  readonly class_uid: number;
  readonly metadata: { readonly uid: string; readonly sequence?: number };
  readonly unmapped: { readonly postern: { readonly worker: number; readonly gap?: object } };
}
const parsed = (path: string): GapSeen[] => linesOf(path).map((line) => JSON.parse(line) as GapSeen);
const gapsIn = (path: string): (object | undefined)[] =>
  parsed(path).flatMap(({ unmapped }) => (unmapped.postern.gap === undefined ? [] : [unmapped.postern.gap]));

test('delivers each record of every kind as the bytes that were written, and those that come later', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const recorder = openRecorder(flows);
  recordEveryKind(recorder);
  await whenWritten(recorder);
  const settings = fileSink(sinks);
  const shipper = await ship(flows, sinks, [settings]);
  await delivered(shipper);
  expect(linesOf(settings.path)).toEqual(linesIn(flows));
  recordEveryKind(recorder);
  await whenWritten(recorder);
  await eventually(() => linesOf(settings.path).length === linesIn(flows).length);
  expect(linesOf(settings.path)).toEqual(linesIn(flows));
  expect(shipper.troubles).toEqual([]);
});

test('a sink that takes one kind of records gets no other, and misses none of the other', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  // By its number, the chain of what administrators do.
  const recorders = [0, 1].map((worker) => openRecorder(flows, { worker }));
  const ofKind = (kind: 'flows' | 'access') =>
    fileSink(sinks, { name: kind, path: join(sinks, `${kind}.jsonl`), records: kind });
  const workersIn = (kind: string): number[] =>
    parsed(join(sinks, `${kind}.jsonl`)).map(({ unmapped: { postern } }) => postern.worker);
  const both = fileSink(sinks);
  for (const round of [1, 2]) {
    for (const recorder of recorders) {
      recorder.request(allowedFacts, answered);
      await whenWritten(recorder);
    }
    const shipper = await ship(flows, sinks, [both, ofKind('flows'), ofKind('access')]);
    await delivered(shipper);
    await shipper.stop(20_000);
    expect(workersIn('flows')).toEqual(Array(round).fill(1));
    expect(workersIn('access')).toEqual(Array(round).fill(0));
  }
  expect(linesOf(both.path).toSorted()).toEqual(linesIn(flows).toSorted());
  // One that took both: of what it takes no more, nothing is declared missing.
  const shipper = await ship(flows, sinks, [{ ...both, records: 'flows' }]);
  await delivered(shipper);
  await shipper.stop(20_000);
  expect(gapsIn(both.path)).toEqual([]);
  expect(linesOf(both.path)).toHaveLength(4);
});

test('goes on where the receiver had acknowledged, across segments and several workers', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const recorders = [1, 2, 3].map((worker) => openRecorder(flows, { worker, segmentBytes: 4000 }));
  const recordSome = async (): Promise<void> => {
    for (const recorder of recorders)
      for (let index = 0; index < 9; index += 1) {
        recorder.request(allowedFacts, answered);
        await whenWritten(recorder);
      }
  };
  const settings = fileSink(sinks);
  for (let round = 0; round < 3; round += 1) {
    await recordSome();
    const shipper = await ship(flows, sinks, [{ ...settings, batch: { maxRecords: 4, maxKilobytes: 64 } }]);
    await shipper.stop(20_000);
  }
  expect(linesOf(settings.path).toSorted()).toEqual(linesIn(flows).toSorted());
  expect(segmentsIn(flows).length).toBeGreaterThan(12);
  for (const worker of [1, 2, 3]) {
    const sequences = parsed(settings.path).flatMap(({ metadata, unmapped }) =>
      (unmapped.postern as { worker?: number }).worker === worker ? [metadata.sequence] : [],
    );
    expect(sequences).toEqual(Array.from({ length: 27 }, (_, index) => index + 1));
  }
});

test('goes on in the middle of a line where the receiver had acknowledged so far, and keeps a line of which one cannot be read', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const recorder = openRecorder(flows);
  const methods = ['GET', 'POST', 'GET', 'POST', 'GET', 'GET', 'GET'];
  for (const method of methods)
    recorder.request({ ...allowedFacts, request: { ...request, method } }, answered);
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const path = join(flows, segmentsIn(flows)[0] ?? '');
  expect(framesIn(path).map((line) => line.slice(0, 4))).toEqual(['["c"', '["c"', '["s"']);
  const all = linesIn(flows);
  const reader = createSpoolReader({ listing: createSpoolListing([flows]), bootId: 'boot-1' });
  const positions = new Map<string, Position>();
  for (const expected of [all.slice(0, 3), all.slice(3, 6), all.slice(6)]) {
    reader.reset(positions);
    const reading = await reader.read({ records: 3, bytes: 1_000_000 });
    expect(reading?.items.map((item) => (item.kind === 'record' ? item.text : item.kind))).toEqual(expected);
    applyChange(positions, reading?.change ?? new Map());
    const cursor = openCursorFile(join(sinks, 'cursor'));
    await cursor.save(positions);
    expect(await cursor.load()).toEqual(positions);
    const moved: string[] = [];
    const listed = await createSpoolListing([flows]).streams();
    expect(await confirmPositions(listed, positions, (name) => moved.push(name))).toEqual(positions);
    expect(moved).toEqual([]);
  }
  reader.reset(positions);
  expect(await reader.read({ records: 3, bytes: 1_000_000 })).toBeUndefined();
  recorder.request(deniedFacts, refused);
  recorder.close();
  const [, ...withoutFirst] = framesIn(path);
  writeFileSync(path, withoutFirst.map((line) => `${line}\n`).join(''));
  const settings = fileSink(sinks);
  const shipper = await ship(flows, sinks, [settings]);
  await delivered(shipper);
  expect(linesOf(settings.path)).toHaveLength(2);
  expect(gapsIn(settings.path)).toMatchObject([{ from: 1, to: 8, reason: 'missing' }]);
  expect(linesOf(join(sinks, 'archive.refused')).map((line) => JSON.parse(line) as object)).toMatchObject([
    { reason: 'is no flow record', record: withoutFirst[1] },
  ]);
});

test('a sink from now on gets what is recorded after its first start, also while it was stopped', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const settings = fileSink(sinks, { from: 'now' });
  await (await ship(flows, sinks, [settings])).stop(20_000);
  expect(linesOf(settings.path)).toEqual([]);
  recorder.request(deniedFacts, refused);
  await whenWritten(recorder);
  await (await ship(flows, sinks, [settings])).stop(20_000);
  expect(parsed(settings.path).map(({ metadata }) => metadata.sequence)).toEqual([2]);
});

test('a sink that accepts and never reads holds up no other, and says that it is behind', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const server = createServer((socket) => socket.pause().on('error', () => undefined));
  server.listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  const stuck: SyslogSinkSettings = {
    name: 'stuck',
    type: 'syslog',
    from: 'beginning',
    format: 'ocsf',
    host: '127.0.0.1',
    port: 0,
    facility: 'local0',
    resendSeconds: 3600,
  };
  const recorder = openRecorder(flows);
  for (let index = 0; index < 300; index += 1) recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const settings = fileSink(sinks);
  const { port } = server.address() as AddressInfo;
  const shipper = await ship(flows, sinks, [{ ...stuck, port }, settings]);
  await eventually(() => linesOf(settings.path).length === 300);
  await eventually(async () => (await shipper.health())[1]?.lagRecords === 0);
  expect(await shipper.health()).toEqual([
    {
      name: 'stuck',
      type: 'syslog',
      lagRecords: 300,
      lagSeconds: expect.any(Number) as number,
      delivered: 0,
      refused: 0,
      problem: undefined,
    },
    {
      name: 'archive',
      type: 'file',
      lagRecords: 0,
      lagSeconds: 0,
      delivered: 300,
      refused: 0,
      problem: undefined,
    },
  ]);
});

test('what retention removed before a sink read it is declared there, once, with what it was', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const recorder = openRecorder(flows, { segmentBytes: 3000 });
  const recordTen = async (): Promise<void> => {
    for (let index = 0; index < 10; index += 1) {
      recorder.request(allowedFacts, answered);
      await whenWritten(recorder);
    }
  };
  const settings = fileSink(sinks);
  await recordTen();
  await (await ship(flows, sinks, [settings])).stop(20_000);
  await recordTen();
  const before = monday + 99_000;
  expect(await retireSegments({ directory: flows, before, isWritten: () => true })).toBeGreaterThan(5);
  const kept = linesIn(flows).length;
  await (await ship(flows, sinks, [settings])).stop(20_000);
  expect(gapsIn(settings.path)).toEqual([
    {
      worker: 1,
      boot: 'boot-1',
      workerStartedAt: monday + 1000,
      from: 11,
      to: 20 - kept,
      reason: 'retention',
    },
  ]);
  const gap = parsed(settings.path).find(({ class_uid }) => class_uid === 2004);
  expect(validateOcsf(gap as unknown as Record<string, unknown>)).toEqual([]);
  expect(parsed(settings.path).length).toBe(10 + 1 + kept);
  await (await ship(flows, sinks, [settings])).stop(20_000);
  expect(parsed(settings.path).length).toBe(10 + 1 + kept);
});

test('a record that is nowhere is declared as missing, and a line that is none is kept with its reason', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const recorder = openRecorder(flows);
  for (let index = 0; index < 5; index += 1) {
    recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
  }
  recorder.close();
  const [name = ''] = segmentsIn(flows);
  const [context, ...lines] = framesIn(join(flows, name));
  writeFileSync(join(flows, name), [context, lines[0], '{"half', lines[3], lines[4], ''].join('\n'));
  const settings = fileSink(sinks, { filter: { only: 'refusals' } });
  const shipper = await ship(flows, sinks, [settings]);
  await delivered(shipper);
  expect(gapsIn(settings.path)).toEqual([
    { worker: 1, boot: 'boot-1', workerStartedAt: monday + 1000, from: 2, to: 3, reason: 'missing' },
  ]);
  expect(linesOf(join(sinks, 'archive.refused')).map((line) => JSON.parse(line) as object)).toEqual([
    { at: expect.any(String) as string, reason: 'is no flow record', record: '{"half' },
  ]);
});

test('a chain that vanished as a whole is declared where it was not read to its end, and forgotten where it was', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const [read, unread] = [1, 2].map((worker) => openRecorder(flows, { worker }));
  for (const recorder of [read, unread]) recorder?.request(allowedFacts, answered);
  read?.close();
  await whenWritten(unread ?? openRecorder(flows));
  const settings = fileSink(sinks);
  const shipper = await ship(flows, sinks, [settings]);
  await delivered(shipper);
  await eventually(() => readFileSync(join(sinks, 'archive.cursor'), 'utf8').includes('"isOver":true'));
  await shipper.stop(20_000);
  unread?.close();
  for (const name of segmentsIn(flows)) rmSync(join(flows, name));
  await (await ship(flows, sinks, [settings])).stop(20_000);
  expect(gapsIn(settings.path)).toEqual([
    { worker: 2, boot: 'boot-1', workerStartedAt: monday + 1000, from: 2, to: null, reason: 'retention' },
  ]);
  expect(JSON.parse(readFileSync(join(sinks, 'archive.cursor'), 'utf8'))).toMatchObject({ streams: {} });
});

test('a cursor that does not fit the spool sends that segment again, and one that cannot be read sends all', async () => {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const recorder = openRecorder(flows);
  for (let index = 0; index < 3; index += 1) recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const settings = fileSink(sinks);
  const cursor = join(sinks, 'archive.cursor');
  await (await ship(flows, sinks, [settings])).stop(20_000);
  writeFileSync(cursor, readFileSync(cursor, 'utf8').replace(/"hash":"./, '"hash":"x'));
  await (await ship(flows, sinks, [settings])).stop(20_000);
  expect(parsed(settings.path).map(({ metadata }) => metadata.sequence)).toEqual([1, 2, 3, 1, 2, 3]);
  writeFileSync(cursor, '{');
  await (await ship(flows, sinks, [settings])).stop(20_000);
  expect(parsed(settings.path)).toHaveLength(9);
});
