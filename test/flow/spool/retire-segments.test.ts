import { readdirSync, rmSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createAccessRecorder } from '../../../src/flow/access-recorder.ts';
import type { AccessRecorder } from '../../../src/flow/access-recorder.ts';
import type { FlowStream } from '../../../src/flow/spool/chain.ts';
import { retireSegments } from '../../../src/flow/spool/retire-segments.ts';
import { verifyFlows } from '../../../src/flow/verify/verify-flows.ts';
import { recordsIn, segmentsIn } from '../../lab/flow-records.ts';
import { makeFlowDirectory } from '../flow-directory.ts';
import { monday } from '../samples.ts';

const dayMs = 86_400_000;
const retire = (directory: string, before: number, current: FlowStream): Promise<number> =>
  retireSegments({ directory, before, isWritten: ({ bootId }) => bootId === current.bootId });
const directory = (): string => makeFlowDirectory();

/** One record a day, each in a file of its own. */
async function record(into: string, bootId: string, from: number, to: number): Promise<AccessRecorder> {
  let day = from;
  const recorder = createAccessRecorder({
    directory: into,
    origin: { productVersion: '0.1.0', domain: 'example.org' },
    bootId,
    now: () => monday + day * dayMs,
    segmentMs: 0,
  });
  onTestFinished(() => recorder.close());
  for (; day < to; day += 1)
    await recorder.record({
      id: `r${day}`,
      at: monday + day * dayMs,
      actor: 'api-key:ci',
      roles: ['soc'],
      address: '192.0.2.7',
      operation: 'GET /v1/devices',
      target: {},
      count: 1,
    });
  return recorder;
}

const look = async (at: string) => {
  const { problems, streams, records } = await verifyFlows(at);
  return { problems, records, retired: streams.map(({ retired }) => retired) };
};

test('removes what is older by whole files, and the rest still verifies, also when it is written on', async () => {
  const at = directory();
  const { stream } = await record(at, 'boot-1', 0, 10);
  expect(await retire(at, monday + 4 * dayMs, stream)).toBe(4);
  expect(await look(at)).toEqual({ problems: [], records: 6, retired: [4] });
  expect(await retire(at, monday + 4 * dayMs, stream)).toBe(0);
  expect(await retire(at, monday + 7 * dayMs, stream)).toBe(3);
  expect(await look(at)).toEqual({ problems: [], records: 3, retired: [7] });
  expect(recordsIn(at)).toHaveLength(3);
  // The file that is being written stays, however old.
  expect(await retire(at, monday + 99 * dayMs, stream)).toBe(2);
  expect(await look(at)).toEqual({ problems: [], records: 1, retired: [9] });
});

test('removes chains that are over with all their files, and those in which nothing ever was', async () => {
  const at = directory();
  (await record(at, 'boot-1', 0, 3)).close();
  (await record(at, 'boot-2', 3, 3)).close();
  const { stream } = await record(at, 'boot-3', 4, 6);
  await retire(at, monday + 2 * dayMs, stream);
  expect(await look(at)).toEqual({ problems: [], records: 3, retired: [2, 0, 0] });
  await retire(at, monday + 4 * dayMs, stream);
  expect(readdirSync(at).filter((name) => !name.includes('boot-3'))).toEqual([]);
  expect(await look(at)).toEqual({ problems: [], records: 2, retired: [0] });
});

test('still finds what was taken out, altered, or only passed off as retired', async () => {
  const at = directory();
  const { stream } = await record(at, 'boot-1', 0, 6);
  await retire(at, monday + 2 * dayMs, stream);
  const [first = '', second = ''] = segmentsIn(at);
  const text = await readFile(join(at, first), 'latin1');
  await writeFile(join(at, first), text.replace('api-key:ci', 'api-key:no'), 'latin1');
  expect((await look(at)).problems.map(({ kind }) => kind)).toContain('edited');
  await writeFile(join(at, first), text, 'latin1');
  rmSync(join(at, second));
  expect((await look(at)).problems.map(({ kind }) => kind)).toEqual(['segment-missing', 'missing']);
  const marker = readdirSync(at).find((name) => name.endsWith('.retired')) ?? '';
  const said = JSON.parse(await readFile(join(at, marker), 'utf8')) as object;
  writeFileSync(join(at, marker), JSON.stringify({ ...said, segment: 4, sequence: 4 }));
  expect((await look(at)).problems.map(({ kind }) => kind)).toEqual(['edited']);
  writeFileSync(join(at, marker), 'nothing');
  expect((await look(at)).problems.map(({ file, kind }) => [file, kind])).toContainEqual([marker, 'edited']);
});

test('leaves a file that cannot be read, and all after it', async () => {
  const at = directory();
  const { stream } = await record(at, 'boot-1', 0, 6);
  writeFileSync(join(at, segmentsIn(at)[1] ?? ''), 'no record\n');
  expect(await retire(at, monday + 5 * dayMs, stream)).toBe(1);
});
