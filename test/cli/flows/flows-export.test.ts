import { appendFileSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { linesIn, segmentsIn } from '../../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../../flow/flow-directory.ts';
import { allowedFacts, answered, monday } from '../../flow/samples.ts';
import { createAccessRecorder } from '../../../src/flow/access-recorder.ts';
import { makeDirectory, origin } from '../../flow/shipper/shipping.ts';
import { runPostern } from '../run-postern.ts';

/** A data directory with one record an hour, in segments of their own. */
async function recorded(hours: number): Promise<{ data: string; flows: string }> {
  const spool = makeFlowDirectory();
  const recorder = openRecorder(spool, { segmentBytes: 1000 });
  for (let hour = 0; hour < hours; hour += 1) {
    const startedAt = monday + hour * 3_600_000;
    recorder.request({ ...allowedFacts, startedAt }, { ...answered, endedAt: startedAt });
    await whenWritten(recorder);
  }
  recorder.close();
  const data = makeDirectory();
  const flows = join(data, 'flows');
  renameSync(spool, flows);
  mkdirSync(spool);
  return { data, flows };
}
const exported = async (data: string, ...args: readonly string[]) => {
  const { code, out, err } = await runPostern(['flows', 'export', '--data', data, ...args]);
  return { code, lines: out.split('\n').slice(0, -1), err };
};

test('prints the records of a period as they are on disk, in ECS, or in CEF', async () => {
  const { data, flows } = await recorded(6);
  const lines = linesIn(flows);
  expect(await exported(data)).toEqual({ code: 0, lines, err: '' });
  const period = ['--since', '2026-01-05T09:00:00Z', '--until', '2026-01-05T12:00:00+01:00'];
  expect(await exported(data, ...period)).toEqual({ code: 0, lines: lines.slice(1, 3), err: '' });
  const ecs = await exported(data, '--format', 'ecs', '--until', '2026-01-05T09:00:00Z');
  expect(ecs.lines.map((line) => JSON.parse(line) as object)).toMatchObject([
    { '@timestamp': '2026-01-05T08:00:00.000Z', event: { dataset: 'postern.http' } },
  ]);
  expect((await exported(data, '--format', 'cef', '--since', '2026-01-05T13:00:00Z')).lines).toEqual([
    expect.stringMatching(/^CEF:0\|Postern\|Postern\|.* cn1=6 cn1Label=Sequence /),
  ]);
});

test('has the access log too', async () => {
  const { data, flows } = await recorded(1);
  const accesses = join(data, 'access');
  mkdirSync(accesses);
  const recorder = createAccessRecorder({ directory: accesses, origin, bootId: 'boot-1', now: () => monday });
  await recorder.record({
    id: 'r-1',
    at: monday,
    actor: 'api-key:ci',
    roles: ['soc'],
    address: '192.0.2.7',
    operation: 'GET /v1/devices',
    target: {},
    count: 1,
  });
  recorder.close();
  const { lines } = await exported(data);
  expect(lines.toSorted()).toEqual([...linesIn(flows), ...linesIn(accesses)].toSorted());
  expect(lines).toHaveLength(2);
});

test('names what is missing and exits 1, prints the rest all the same', async () => {
  const { data, flows } = await recorded(4);
  const lines = linesIn(flows);
  rmSync(join(flows, segmentsIn(flows)[2] ?? ''));
  appendFileSync(join(flows, segmentsIn(flows)[0] ?? ''), 'no record\n');
  expect(await exported(data)).toEqual({
    code: 1,
    lines: [lines[0], lines[1], lines[3]],
    err: 'a line that is no record is passed over\nrecords 3 to 3 of worker 1, boot boot-1, are missing\n',
  });
});

test.each([
  ['--since', 'yesterday', /write how long ago/],
  ['--until', '2026-02-30T00:00:00', /write how long ago/],
  ['--format', 'xml', /Allowed choices are ocsf, ecs, cef/],
])('%s %s is wrong usage', async (option, value, message) => {
  const { code, err } = await exported(makeDirectory(), option, value);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});

test('a data directory without records is wrong input', async () => {
  const { code, err } = await exported(join(makeDirectory(), 'nowhere'));
  expect(code).toBe(2);
  expect(err).toMatch(/cannot be read/);
});
