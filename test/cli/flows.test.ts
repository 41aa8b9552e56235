import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import type { FlowOutcome } from '../../src/domain/flow.ts';
import { describeFlow } from '../../src/cli/flows/flow-line.ts';
import { recordsIn, segmentsIn } from '../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow/flow-directory.ts';
import { allowedFacts, deny, monday } from '../flow/samples.ts';
import { runPostern } from './run-postern.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 90_000 });

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
const answered: FlowOutcome = {
  endedAt: monday + 20,
  status: 200,
  bytesIn: 0,
  bytesOut: 5,
  endedBy: 'client',
};
const refused: FlowOutcome = { ...answered, status: 403, refusal: 'grant-ended', endedBy: 'gateway' };

function makeData(): { data: string; flows: string } {
  const data = makeFlowDirectory();
  const flows = join(data, 'flows');
  mkdirSync(flows);
  return { data, flows };
}

it('verifies what a worker recorded, and exits 1 naming the line when one byte of it was changed', async () => {
  const { data, flows } = makeData();
  const recorder = openRecorder(flows);
  for (let count = 0; count < 3; count += 1) {
    recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
  }
  recorder.close();
  const whole = await runPostern(['flows', 'verify', '--data', data]);
  expect(whole).toMatchObject({ code: 0, err: '' });
  expect(whole.out).toContain('Whole: 3 records in 1 files.');

  const file = join(flows, segmentsIn(flows)[0] ?? '');
  const lines = readFileSync(file, 'utf8').split('\n');
  lines[2] = (lines[2] ?? '').replace(',200,', ',201,');
  writeFileSync(file, lines.join('\n'));
  const altered = await runPostern(['flows', 'verify', '--data', data]);
  expect(altered.code).toBe(1);
  expect(altered.out).toContain('edited: ');
  expect(altered.out).toContain('NOT whole');

  writeFileSync(file, [lines[0], lines[1], lines[3], ''].join('\n'));
  const missing = await runPostern(['flows', 'verify', '--data', data, '-o', 'json']);
  expect(missing.code).toBe(1);
  const report = JSON.parse(missing.out) as { problems: { kind: string; from?: number; to?: number }[] };
  expect(report.problems).toEqual(
    expect.arrayContaining([expect.objectContaining({ kind: 'missing', from: 2, to: 2 })]),
  );
});

it('prints records as they are written, and ends with 0 when it is interrupted', async () => {
  const { data, flows } = makeData();
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const child = spawn(
    process.execPath,
    [program, 'flows', 'tail', '--data', data, '--from-start', '-o', 'json'],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (): Promise<{ action: string }> =>
    JSON.parse(String((await lines.next()).value)) as { action: string };
  expect(await next()).toMatchObject({ action: 'Allowed' });
  recorder.request({ ...allowedFacts, decision: deny }, refused);
  expect(await next()).toMatchObject({ action: 'Denied' });
  child.kill('SIGINT');
  expect(await exit).toEqual([0, null]);
});

it('describes a flow in a line, and one that says nothing or lies without breaking the line', () => {
  const { flows } = makeData();
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  recorder.request({ ...allowedFacts, decision: deny }, refused);
  recorder.close();
  const [allowed = '', denied = ''] = recordsIn(flows).map(describeFlow);
  expect(allowed).toMatch(
    /^08:00:\S+ +Allowed +alice@example\.org +d-7f3a +grants +GET \/applications\/17 200 +policy-permits$/,
  );
  expect(denied).toMatch(/ Denied +alice@example\.org +d-7f3a +grants .*grant-ended/);
  const read = {
    time: monday,
    class_uid: 6003,
    activity_name: 'Read',
    actor: { user: { name: 'api-key:ci' } },
    api: { operation: 'GET /v1/devices' },
    unmapped: { postern: { worker: 0 } },
  };
  expect(describeFlow(read)).toMatch(/^08:00:\S+ +- +api-key:ci +- +- +Read GET \/v1\/devices/);
  for (const odd of [
    undefined,
    null,
    7,
    {},
    { time: 'x', class_uid: 4002, actor: { user: { name: 'a\u001b[2J\nb' } }, user: { name: '\u009b31m' } },
  ])
    expect(describeFlow(odd)).toMatch(/^\P{Cc}+$/u);
});

it('goes on after a line that is no record', async () => {
  const { data, flows } = makeData();
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  recorder.close();
  appendFileSync(join(flows, segmentsIn(flows)[0] ?? ''), 'no record\n');
  const verified = await runPostern(['flows', 'verify', '--data', data]);
  expect(verified.code).toBe(1);
  expect(verified.out).toContain('malformed: ');
});
