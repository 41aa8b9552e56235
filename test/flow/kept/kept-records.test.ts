import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { dataDirectory } from '../../../src/contract/data-directory.ts';
import { retireRecords } from '../../../src/control/records/record-retention.ts';
import type { Checkpointer } from '../../../src/flow/checkpoints/checkpointer.ts';
import { readKept } from '../../../src/flow/kept/read-kept.ts';
import type { SpoolingFlowRecorder } from '../../../src/flow/recorder.ts';
import { memberOf } from '../../../src/flow/shipper/spool-item.ts';
import type { FlowRecord } from '../../../src/flow/shipper/spool-item.ts';
import { verifyRecords } from '../../../src/flow/verify/verify-records.ts';
import { linesIn, segmentsIn } from '../../lab/flow-records.ts';
import {
  clock,
  flowsOf,
  makeData,
  open,
  openCheckpointer,
  verdictOn,
} from '../checkpoints/signed-directory.ts';
import type { FlowQuery } from '../../../src/flow/search/flow-query.ts';
import { archiveSink, openSearch, rows } from '../archive/archiving.ts';
import { allowedFacts, answered, deniedFacts, monday, refused } from '../samples.ts';
import { delivered, ship } from '../shipper/shipping.ts';

const dayMs = 86_400_000;
const keptOf = (data: string): string => join(data, dataDirectory.keptRecords);

interface Lab {
  readonly data: string;
  readonly checkpointer: Checkpointer;
  readonly recorder: SpoolingFlowRecorder;
  /** One flow that was let through, one refusal, one sign-in: each in a segment of its own. */
  readonly recordDay: () => Promise<void>;
  /** `days` after the first record. */
  readonly retire: (days: number, isWritten?: boolean, readers?: number) => Promise<void>;
}

async function lab(): Promise<Lab> {
  clock.now = monday;
  const data = makeData();
  const checkpointer = await openCheckpointer(data);
  onTestFinished(() => checkpointer.close());
  const recorder = open(data, { segmentBytes: 1 });
  return {
    data,
    checkpointer,
    recorder,
    async recordDay() {
      recorder.request(allowedFacts, answered);
      await new Promise<void>((resolve) => recorder.whenSynced(resolve));
      recorder.request(deniedFacts, refused);
      await new Promise<void>((resolve) => recorder.whenSynced(resolve));
      recorder.authentication(allowedFacts, answered);
      await new Promise<void>((resolve) => recorder.whenSynced(resolve));
      clock.now += dayMs;
    },
    async retire(days, isWritten = true, readers) {
      clock.now = monday + days * dayMs;
      await checkpointer.tick();
      await retireRecords(
        {
          data,
          days: { flows: 90, security: 365, administration: 730 },
          ...(readers === undefined ? {} : { readers }),
          gateway: 'gateway.example.org',
          flows: { checkpointer, isWritten: () => isWritten },
          access: undefined,
          logger: pino({ level: 'silent' }),
        },
        clock.now,
      );
    },
  };
}

async function keptRecords(data: string): Promise<FlowRecord[]> {
  const found: FlowRecord[] = [];
  for await (const item of readKept(keptOf(data), {})) if (item.kind === 'record') found.push(item.record);
  return found;
}
const classesOf = (records: readonly FlowRecord[]): unknown[] =>
  records.map((record) => [memberOf(record, 'class_uid'), memberOf(record, 'action')]);

test('lets what was let through go after its days, and keeps sign-ins and refusals for theirs, byte for byte', async () => {
  const { data, recordDay, retire } = await lab();
  await recordDay();
  await recordDay();
  const before = linesIn(flowsOf(data));
  await retire(80);
  expect(linesIn(flowsOf(data))).toEqual(before);
  expect(existsSync(keptOf(data)) ? readdirSync(keptOf(data)) : []).toEqual([]);

  await retire(90.5);
  expect(linesIn(flowsOf(data))).toEqual(before.slice(3));
  expect(classesOf(await keptRecords(data))).toEqual([
    [4002, 'Denied'],
    [3002, 'Allowed'],
  ]);
  const kept = readdirSync(keptOf(data)).flatMap((name) =>
    readFileSync(join(keptOf(data), name), 'latin1')
      .split('\n')
      .slice(1, -1),
  );
  expect(kept).toEqual(before.slice(1, 3));
  const report = await verifyRecords(data);
  expect(report.problems).toEqual([]);
  expect(report.retirements).toEqual([
    {
      worker: 1,
      bootId: 'boot-1',
      startedAt: monday,
      sequence: 3,
      at: monday + 90.5 * dayMs,
      before: monday + 0.5 * dayMs,
      by: 'gateway.example.org',
      kept: 2,
    },
  ]);

  await retire(364);
  expect(classesOf(await keptRecords(data))).toHaveLength(3);
  await retire(365.5);
  expect(await keptRecords(data)).toHaveLength(1);
  expect(await verdictOn(data)).toEqual([]);
});

test('forgets a chain that is over when the last of it is gone, and says until then what was removed', async () => {
  const { data, recorder, recordDay, retire, checkpointer } = await lab();
  await recordDay();
  recorder.close();
  await retire(100, false);
  expect(readdirSync(flowsOf(data))).toEqual([]);
  expect(await keptRecords(data)).toHaveLength(2);
  let report = await verifyRecords(data);
  expect(report).toMatchObject({ problems: [], retirements: [{ sequence: 3, kept: 2 }] });
  await retire(366, false);
  expect(readdirSync(keptOf(data))).toEqual([]);
  await checkpointer.close();
  report = await verifyRecords(data);
  expect(report).toMatchObject({ problems: [], retirements: [{ sequence: 3, kept: 0 }] });
});

test('finds kept records that were altered, taken away or put in', async () => {
  const { data, recordDay, retire } = await lab();
  await recordDay();
  await recordDay();
  await retire(120);
  expect(await verdictOn(data)).toEqual([]);
  const names = readdirSync(keptOf(data)).toSorted();
  expect(names).toHaveLength(3);
  const [first = '', second = '', third = ''] = names.map((name) => join(keptOf(data), name));
  const verdict = async (path: string, bytes: Buffer | undefined): Promise<unknown[]> => {
    const held = existsSync(path) ? readFileSync(path) : undefined;
    if (bytes === undefined) rmSync(path);
    else writeFileSync(path, bytes);
    const found = (await verifyRecords(data)).problems.map(({ kind, file }) => [kind, names.indexOf(file)]);
    if (held === undefined) rmSync(path);
    else writeFileSync(path, held);
    return found;
  };
  const altered = (path: string): Buffer =>
    Buffer.from(readFileSync(path, 'latin1').replace('alice@', 'bob@'), 'latin1');
  expect(await verdict(first, altered(first))).toEqual([['edited', 0]]);
  expect(await verdict(third, altered(third))).toEqual([['edited', 2]]);
  expect(await verdict(first, undefined)).toEqual([['segment-missing', 1]]);
  expect(await verdict(second, undefined)).toEqual([['edited', 0]]);
  expect(await verdict(third, undefined)).toEqual([['segment-missing', 2]]);
  const later = third.replace(/[0-9]{6}\.kept$/, '000099.kept');
  expect(await verdict(later, readFileSync(third))).toEqual([['unvouched', -1]]);
  expect(await verdictOn(data)).toEqual([]);
});

test('leaves segments that were altered, for they are evidence, and those in which a link lies', async () => {
  const { data, recordDay, retire } = await lab();
  await recordDay();
  await recordDay();
  const [, second = ''] = segmentsIn(flowsOf(data));
  const path = join(flowsOf(data), second);
  const text = readFileSync(path, 'latin1');
  writeFileSync(path, text.replace('alice@', 'bob@'));
  await retire(120);
  expect(segmentsIn(flowsOf(data))).toHaveLength(6);
  expect(existsSync(keptOf(data))).toBe(false);
  writeFileSync(path, text);
  rmSync(path);
  writeFileSync(join(data, 'elsewhere'), text);
  symlinkSync(join(data, 'elsewhere'), path);
  await retire(121);
  expect(segmentsIn(flowsOf(data))).toHaveLength(5);
  expect(await keptRecords(data)).toEqual([]);
});

test('goes on after it was killed between any two of its steps', async () => {
  const { data, recordDay, retire } = await lab();
  await recordDay();
  const flows = flowsOf(data);
  const segments = segmentsIn(flows).map((name) => [name, readFileSync(join(flows, name))] as const);
  await recordDay();
  await retire(90.5);
  // Signed, and killed before anything was removed.
  for (const [name, bytes] of segments.slice(1)) appendFileSync(join(flows, name), bytes);
  expect(await verdictOn(data)).toEqual([]);
  await retire(91.5);
  expect(await verdictOn(data)).toEqual([]);
  expect(await keptRecords(data)).toHaveLength(3);
  expect(segmentsIn(flows)).toHaveLength(1);
});

test('leaves nothing behind of a chain that was over before anything of it was signed', async () => {
  clock.now = monday;
  const data = makeData();
  const recorder = open(data);
  recorder.request(allowedFacts, answered);
  recorder.close();
  clock.now = monday + 100 * dayMs;
  const checkpointer = await openCheckpointer(data);
  await retireRecords(
    {
      data,
      days: { flows: 90, security: 365, administration: 730 },
      gateway: 'gateway.example.org',
      flows: { checkpointer, isWritten: () => false },
      access: undefined,
      logger: pino({ level: 'silent' }),
    },
    clock.now,
  );
  await checkpointer.close();
  expect(readdirSync(flowsOf(data))).toEqual([]);
  expect(await verifyRecords(data)).toMatchObject({
    problems: [],
    streams: [],
    retirements: [{ sequence: 1 }],
  });
});

test.each([
  ['without an archive', undefined, true],
  ['by an archive from before it was put aside', 'before', true],
  ['by an archive that began when it was put aside already', 'after', true],
  ['by an archive that began when nothing else was left of its chain', 'after', false],
])('a search finds what is kept, each record once, %s', async (_, archived, isWritten) => {
  const { data, recordDay, retire, recorder } = await lab();
  const sinks = archived === undefined ? [] : [archiveSink];
  const [sinkDirectory, archive] = [join(data, 'sinks'), join(data, 'archive')];
  for (const folder of [sinkDirectory, archive]) mkdirSync(folder);
  const archiveAll = async (): Promise<void> => {
    const shipper = await ship(flowsOf(data), sinkDirectory, [archiveSink], archive);
    await delivered(shipper);
    await shipper.stop(1000);
  };
  const denials = async (more: Partial<FlowQuery> = {}): Promise<unknown[]> => {
    const answer = await openSearch(data, sinks).ask(rows({ filter: { verdict: 'denied' }, ...more }));
    return answer.kind === 'rows' ? answer.rows.map(({ sequence }) => sequence) : [];
  };
  await recordDay();
  await recordDay();
  if (archived === 'before') await archiveAll();
  if (!isWritten) recorder.close();
  await retire(isWritten ? 90.5 : 100, isWritten);
  if (archived === 'after') await archiveAll();
  expect((await keptRecords(data)).length).toBeGreaterThan(0);
  expect(await denials()).toEqual([5, 2]);
  expect(await denials({ since: monday + 200 * dayMs })).toEqual([]);
});

test.runIf(process.getuid?.() === 0)(
  'the group of those who search may read what is kept, and nobody may write it',
  async () => {
    const { data, recordDay, retire } = await lab();
    await recordDay();
    await recordDay();
    const readers = 12_345;
    await retire(90.5, true, readers);
    const modeOf = (path: string) => {
      const { uid, gid, mode } = statSync(path);
      return [uid, gid, (mode & 0o777).toString(8)];
    };
    const files = readdirSync(keptOf(data));
    expect(files.length).toBeGreaterThan(0);
    expect(modeOf(keptOf(data))).toEqual([0, readers, '750']);
    for (const name of files) expect(modeOf(join(keptOf(data), name))).toEqual([0, readers, '640']);
  },
);
