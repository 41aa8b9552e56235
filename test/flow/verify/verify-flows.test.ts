import { readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { FlowReport } from '../../../src/flow/verify/flow-report.ts';
import { formatHead } from '../../../src/flow/spool/head.ts';
import { verifyFlows } from '../../../src/flow/verify/verify-flows.ts';
import { reframe, segmentsIn } from '../../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { deniedFacts, refused } from '../samples.ts';

/** A directory with ten records of one worker that ended in order. */
async function recordTen(segmentBytes?: number): Promise<{ directory: string; file: string }> {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory, segmentBytes === undefined ? {} : { segmentBytes });
  for (let index = 0; index < 10; index += 1) {
    recorder.request(deniedFacts, refused);
    await whenWritten(recorder);
  }
  recorder.close();
  return { directory, file: join(directory, segmentsIn(directory)[0] ?? '') };
}

function changeLines(file: string, change: (lines: string[]) => readonly string[]): void {
  const lines = readFileSync(file, 'latin1').split('\n').slice(0, -1);
  writeFileSync(
    file,
    change(lines)
      .map((line) => `${line}\n`)
      .join(''),
    'latin1',
  );
}

const kindsOf = ({ problems }: FlowReport): unknown[] =>
  problems.map(({ kind, line, from, to }) => [kind, line, from, to]);

const asMallory = (record: string): string => record.replace('alice@', 'mallory@');

const line = (lines: readonly string[], number: number): string => lines[number - 1] ?? '';

describe('verifying flow records', () => {
  test('finds nothing wrong with what was written', async () => {
    const { directory } = await recordTen();
    expect(await verifyFlows(directory)).toMatchObject({
      files: 1,
      records: 10,
      problems: [],
      torn: [],
      streams: [{ worker: 1, bootId: 'boot-1', records: 10, lastSequence: 10, lost: 0 }],
    });
  });

  test('finds nothing wrong while a worker is writing', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    const reports: Promise<FlowReport>[] = [];
    for (let index = 0; index < 50; index += 1) {
      recorder.request(deniedFacts, refused);
      await whenWritten(recorder);
      if (index % 10 === 0) reports.push(verifyFlows(directory));
    }
    for (const report of await Promise.all(reports)) expect(report).toMatchObject({ problems: [], torn: [] });
  });

  test('of an empty directory has nothing to say', async () => {
    expect(await verifyFlows(makeFlowDirectory())).toEqual({
      files: 0,
      records: 0,
      streams: [],
      problems: [],
      torn: [],
      silences: [],
      retirements: [],
      checkpoints: [],
    });
  });

  test('names a record that was edited', async () => {
    const { directory, file } = await recordTen();
    changeLines(file, (lines) => lines.with(3, reframe(line(lines, 4), asMallory)));
    const report = await verifyFlows(directory);
    expect(kindsOf(report)).toEqual([['edited', 4, 4, 4]]);
    expect(report.problems[0]).toMatchObject({ worker: 1, file: segmentsIn(directory)[0] });
    expect(report.problems[0]?.message).toContain('sequence 4');
  });

  test('names a line that a disk has damaged, or that was edited by who knows no better, once', async () => {
    for (const number of [1, 4, 10]) {
      const { directory, file } = await recordTen();
      changeLines(file, (lines) => lines.with(number - 1, asMallory(line(lines, number))));
      const report = await verifyFlows(directory);
      expect(kindsOf(report)).toEqual([['edited', number, number, number]]);
      expect(report.problems[0]?.message).toContain('checksum');
    }
  });

  test('names the last record when it is the one that was edited', async () => {
    const { directory, file } = await recordTen();
    changeLines(file, (lines) => lines.with(9, reframe(line(lines, 10), asMallory)));
    expect(kindsOf(await verifyFlows(directory))).toEqual([['edited', undefined, 10, 10]]);
  });

  test('names the first record when it is the one that was edited, or was put in front', async () => {
    const { directory, file } = await recordTen();
    changeLines(file, (lines) =>
      lines.with(
        0,
        reframe(line(lines, 1), (record) => record.replace(/"previous":"../, '"previous":"00')),
      ),
    );
    expect(kindsOf(await verifyFlows(directory))).toEqual([
      ['edited', 1, 1, 1],
      ['edited', 1, 1, 1],
    ]);
  });

  test('names ranges that were taken out', async () => {
    const { directory, file } = await recordTen();
    changeLines(file, (lines) => [...lines.slice(0, 2), ...lines.slice(5, 7), ...lines.slice(8)]);
    expect(kindsOf(await verifyFlows(directory))).toEqual([
      ['missing', undefined, 3, 5],
      ['missing', undefined, 8, 8],
    ]);
  });

  test('names a record that was taken out even when the rest was numbered anew', async () => {
    const { directory, file } = await recordTen();
    changeLines(file, (lines) =>
      [...lines.slice(0, 4), ...lines.slice(5)].map((text, index) =>
        reframe(text, (record) => record.replace(/"sequence":[0-9]+/, `"sequence":${index + 1}`)),
      ),
    );
    const report = await verifyFlows(directory);
    expect(kindsOf(report)).toContainEqual(['edited', 4, 4, 4]);
    expect(kindsOf(report)).toContainEqual(['missing', undefined, 10, 10]);
  });

  test('names records that changed places', async () => {
    const { directory, file } = await recordTen();
    changeLines(file, (lines) => lines.with(4, line(lines, 6)).with(5, line(lines, 5)));
    expect(kindsOf(await verifyFlows(directory))).toEqual([['out-of-order', 6, 5, 5]]);
  });

  test('names a record that is there twice', async () => {
    const { directory, file } = await recordTen();
    changeLines(file, (lines) => lines.toSpliced(7, 0, line(lines, 3)));
    expect(kindsOf(await verifyFlows(directory))).toEqual([['duplicate', 8, 3, 3]]);
  });

  test('names a line that is no record', async () => {
    const { directory, file } = await recordTen();
    changeLines(file, (lines) => lines.with(4, 'not a record'));
    expect(kindsOf(await verifyFlows(directory))).toEqual([
      ['malformed', 5, undefined, undefined],
      ['missing', undefined, 5, 5],
    ]);
  });

  test('names an end that was cut off, at a line and within one', async () => {
    const { directory, file } = await recordTen();
    changeLines(file, (lines) => lines.slice(0, 8));
    expect(kindsOf(await verifyFlows(directory))).toEqual([['missing', undefined, 9, 10]]);
    truncateSync(file, readFileSync(file).length - 100);
    const report = await verifyFlows(directory);
    expect(kindsOf(report)).toEqual([
      ['malformed', 8, undefined, undefined],
      ['missing', undefined, 8, 10],
    ]);
    expect(report.torn).toEqual([]);
  });

  test('names the file and the range when a segment or the only file is gone', async () => {
    const { directory } = await recordTen(7000);
    const [first = '', second = ''] = segmentsIn(directory);
    const inSecond = readFileSync(join(directory, second), 'latin1').split('\n').length - 1;
    const inFirst = readFileSync(join(directory, first), 'latin1').split('\n').length - 1;
    rmSync(join(directory, second));
    expect(kindsOf(await verifyFlows(directory))).toEqual([
      ['segment-missing', undefined, undefined, undefined],
      ['missing', undefined, inFirst + 1, inFirst + inSecond],
    ]);
    for (const name of segmentsIn(directory)) rmSync(join(directory, name));
    expect(kindsOf(await verifyFlows(directory)).at(-1)).toEqual(['missing', undefined, 1, 10]);
  });

  test('names records that are passed off as those of another worker', async () => {
    const { directory, file } = await recordTen();
    renameSync(file, file.replace('worker-0001', 'worker-0002'));
    const report = await verifyFlows(directory);
    expect(report.problems.filter(({ kind }) => kind === 'foreign')).toHaveLength(10);
    expect(kindsOf(report)).toContainEqual(['edited', 1, 1, 1]);
    expect(kindsOf(report)).toContainEqual(['missing', undefined, 1, 10]);
  });

  test('calls the torn last line of a killed worker by that name, and not a problem', async () => {
    const { directory, file } = await recordTen();
    // As a kill leaves it: the head lags behind, and the last write reached the file in part.
    const head = file.replace(/-[0-9]+\.jsonl$/, '.head');
    const lines = readFileSync(file, 'latin1').split('\n');
    writeFileSync(head, '');
    truncateSync(file, readFileSync(file).length - 100);
    const report = await verifyFlows(directory);
    expect(report.problems).toEqual([]);
    expect(report.torn).toEqual([
      { worker: 1, file: segmentsIn(directory)[0], line: 10, bytes: line(lines, 10).length - 99 },
    ]);
    expect(report.records).toBe(9);
    writeFileSync(head, formatHead({ sequence: 10, hash: 'x', segment: 1, isClosed: false }));
    expect((await verifyFlows(directory)).problems.map(({ kind }) => kind)).toEqual(['malformed', 'missing']);
  });
});
