import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { formatHead } from '../../../src/flow/spool/head.ts';
import { retireSegments } from '../../../src/flow/spool/retire-segments.ts';
import { verifyRecords } from '../../../src/flow/verify/verify-records.ts';
import { linesIn } from '../../lab/flow-records.ts';
import { monday } from '../samples.ts';
import {
  checkpointsOf,
  clock,
  flowsOf,
  makeData,
  open,
  openCheckpointer,
  recordSome,
  segmentsOf,
  verdictOn,
} from './signed-directory.ts';

const writingChild = fileURLToPath(new URL('../writing-child.ts', import.meta.url));
const vouched = async (data: string): Promise<number[]> =>
  (await verifyRecords(data)).streams.map((stream) => stream.vouched);

describe('checkpoints', () => {
  test('follow chains that go on, and go on themselves after a restart, in further files', async () => {
    clock.now = monday;
    const data = makeData();
    const recorder = open(data);
    for (const expected of [5, 10]) {
      const checkpointer = await openCheckpointer(data);
      await recordSome(recorder, 5);
      clock.now += 10_000;
      await checkpointer.tick();
      await checkpointer.close();
      expect(await vouched(data)).toEqual([expected]);
    }
    expect(readdirSync(checkpointsOf(data))).toHaveLength(2);
    expect(await verdictOn(data)).toEqual([]);
  });

  test('are few while nothing is recorded', async () => {
    clock.now = monday;
    const data = makeData();
    const checkpointer = await openCheckpointer(data);
    for (let n = 0; n < 12; n += 1) {
      clock.now += 10_000;
      await checkpointer.tick();
    }
    await checkpointer.close();
    const { checkpoints } = await verifyRecords(data);
    expect(checkpoints).toMatchObject([{ first: 1, last: 3 }]);
  });

  /** @returns what a worker wrote that was killed while it recorded. */
  async function makeKilled(): Promise<{ data: string; records: number }> {
    const data = makeData();
    const child = fork(writingChild, [flowsOf(data)], { execArgv: [] });
    let told = 0;
    await new Promise<void>((resolve) => {
      child.on('message', () => {
        told += 1;
        if (told === 200) resolve();
      });
    });
    child.kill('SIGKILL');
    await once(child, 'close');
    clock.now = Date.now();
    return { data, records: linesIn(flowsOf(data)).length };
  }

  test('know where a killed worker ended, beyond what it had synced, so that nothing is cut off or added after', async () => {
    const { data, records } = await makeKilled();
    const checkpointer = await openCheckpointer(data, () => 'gone');
    await checkpointer.close();
    expect(await vouched(data)).toEqual([records]);
    expect(await verdictOn(data)).toEqual([]);
    const [last = ''] = segmentsOf(data, 1).toReversed();
    const lines = readFileSync(join(flowsOf(data), last), 'latin1')
      .split('\n')
      .slice(0, -2);
    writeFileSync(join(flowsOf(data), last), lines.map((line) => `${line}\n`).join(''));
    const left = linesIn(flowsOf(data)).length;
    expect(left).toBeLessThan(records);
    expect(await verdictOn(data)).toContainEqual(['missing', 1, left + 1, records]);
  });

  test.each([
    ['a minute', 70_000],
    ['a day', 86_400_000],
  ])(
    'know from the start on where workers ended that were killed with their server %s ago',
    async (_, ago) => {
      const { data, records } = await makeKilled();
      clock.now += ago;
      const checkpointer = await openCheckpointer(data, () => 'unknown');
      expect(await vouched(data)).toEqual([records]);
      expect(await verdictOn(data)).toEqual([]);
      await checkpointer.close();
    },
  );

  test('tell at once, and sign nothing of it, when a chain goes back', async () => {
    clock.now = monday;
    const data = makeData();
    const rewritten: string[] = [];
    const checkpointer = await openCheckpointer(data, () => 'live', rewritten);
    const recorder = open(data);
    await recordSome(recorder, 5);
    await checkpointer.tick();
    const head = readdirSync(flowsOf(data)).find((name) => name.endsWith('.head')) ?? '';
    writeFileSync(
      join(flowsOf(data), head),
      formatHead({ sequence: 3, hash: 'a'.repeat(64), segment: 1, isClosed: false }),
    );
    await checkpointer.tick();
    await checkpointer.tick();
    expect(rewritten).toEqual([head.replace('.head', '')]);
    await recordSome(recorder, 5);
    await checkpointer.close();
    expect(await vouched(data)).toEqual([10]);
  });

  test('follow no link that a worker leaves, and believe no head that is none', async () => {
    clock.now = monday;
    const data = makeData();
    const elsewhere = makeData();
    const recorder = open(elsewhere);
    await recordSome(recorder, 3);
    for (const name of readdirSync(flowsOf(elsewhere)))
      symlinkSync(join(flowsOf(elsewhere), name), join(flowsOf(data), name));
    const name = (at: number): string => join(flowsOf(data), `worker-0003-${at}-boot-1.head`);
    writeFileSync(name(monday), '{"sequence":-1,"hash":"x","segment":1,"isClosed":false}');
    writeFileSync(name(monday + 1), 'x'.repeat(100_000));
    const checkpointer = await openCheckpointer(data);
    await checkpointer.tick();
    await checkpointer.close();
    const signed = readdirSync(checkpointsOf(data))
      .map((file) => readFileSync(join(checkpointsOf(data), file), 'utf8'))
      .join('');
    expect(signed).not.toContain('worker-0001');
    expect(signed).not.toContain('"sequence":3');
    expect(signed).not.toContain('"sequence":-1');
  });

  test('vouch for what was removed when its time was over, and are removed themselves', async () => {
    clock.now = monday;
    const data = makeData();
    let checkpointer = await openCheckpointer(data);
    const recorder = open(data, { segmentBytes: 1 });
    await recordSome(recorder, 1);
    clock.now += 1000;
    for (let n = 0; n < 5; n += 1) await recordSome(recorder, 1);
    await checkpointer.tick();
    const retire = (before: number, { bootId: writing }: { bootId: string }): Promise<number> =>
      retireSegments({
        directory: flowsOf(data),
        before,
        isWritten: ({ bootId }) => bootId === writing,
        retiring: checkpointer.retiring,
      });
    expect(await retire(monday + 500, { bootId: 'boot-1' })).toBe(1);
    expect(await verdictOn(data)).toEqual([]);
    recorder.close();
    await checkpointer.close();
    clock.now += 86_400_000;
    checkpointer = await openCheckpointer(data);
    expect(await retire(clock.now, { bootId: 'boot-2' })).toBeGreaterThan(0);
    expect(readdirSync(flowsOf(data))).toEqual([]);
    expect(await checkpointer.retire(clock.now + 1)).toBe(1);
    await checkpointer.close();
    expect(readdirSync(checkpointsOf(data))).toHaveLength(1);
    expect(await verdictOn(data)).toEqual([]);
  });
});
