import { truncateSync, writeFileSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { contextHash } from '../../../src/flow/frames/context.ts';
import { formatFrame } from '../../../src/flow/frames/frame.ts';
import { readLastLink } from '../../../src/flow/verify/read-chain-link.ts';
import { verifyFlows } from '../../../src/flow/verify/verify-flows.ts';
import { framesIn, recordsIn, reframe, segmentsIn } from '../../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered, deniedFacts, refused, request } from '../samples.ts';

/**
 * Records of requests that were answered are written in two parts: what they have in common, and what each has of its own.
 * Line 1 is a context, with records 1 to 3 behind it; line 5 is another, with records 4 to 6.
 */
async function recordSix(): Promise<{ directory: string; file: string }> {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  for (const method of ['GET', 'GET', 'GET', 'POST', 'POST', 'POST']) {
    recorder.request({ ...allowedFacts, request: { ...request, method } }, answered);
    await whenWritten(recorder);
  }
  recorder.close();
  return { directory, file: join(directory, segmentsIn(directory)[0] ?? '') };
}

async function verdictOn(change: (lines: string[]) => readonly string[]): Promise<unknown[]> {
  const { directory, file } = await recordSix();
  const lines = change(framesIn(file));
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''), 'latin1');
  const { problems } = await verifyFlows(directory);
  return problems.map(({ kind, line, from, to }) => [kind, line, from, to]);
}

const line = (lines: readonly string[], number: number): string => lines[number - 1] ?? '';
const asMallory = (text: string): string => text.replaceAll('alice@', 'mallory@');

test('finds nothing wrong with what was written, each context before the first record that names it', async () => {
  const { directory, file } = await recordSix();
  const kinds = framesIn(file).map((frame) => readLastLink(Buffer.from(frame))?.kind);
  expect(kinds.map((kind) => kind === 'context')).toEqual([
    true,
    false,
    false,
    false,
    true,
    false,
    false,
    false,
  ]);
  expect(await verifyFlows(directory)).toMatchObject({
    records: 6,
    problems: [],
    torn: [],
    streams: [{ lastSequence: 6 }],
  });
});

test('names a short record that was edited, with its checksum and without', async () => {
  const edit = (payload: string): string => payload.replace('/applications/17', '/applications/18');
  expect(await verdictOn((lines) => lines.with(2, edit(line(lines, 3))))).toEqual([['edited', 3, 2, 2]]);
  expect(await verdictOn((lines) => lines.with(2, reframe(line(lines, 3), edit)))).toEqual([
    ['edited', 3, 2, 2],
  ]);
});

test('names a record in another spelling, which no receiver could prove', async () => {
  const spell = (payload: string): string =>
    payload.replace('"/applications/17"', String.raw`"\/applications/17"`);
  expect(await verdictOn((lines) => lines.with(2, reframe(line(lines, 3), spell)))).toEqual([
    ['malformed', 3, undefined, undefined],
    ['missing', undefined, 2, 2],
  ]);
});

test('names a context that was edited, with its checksum and without, and the record that it was of', async () => {
  expect(await verdictOn((lines) => lines.with(0, asMallory(line(lines, 1))))).toEqual([
    ['edited', 1, undefined, undefined],
    ['edited', 2, 1, 1],
  ]);
  expect(await verdictOn((lines) => lines.with(0, reframe(line(lines, 1), asMallory)))).toEqual([
    ['malformed', 1, undefined, undefined],
    ['edited', 2, 1, 1],
  ]);
});

test('names records that were given another context', async () => {
  const give = (lines: readonly string[], hash: string): string =>
    reframe(line(lines, 3), (payload) => payload.replace(/(?<=,\[)"[0-9a-f]{64}"/, `"${hash}"`));
  const text = (frame: string): string => frame.slice(25, -1);
  expect(
    await verdictOn((lines) => lines.with(2, give(lines, contextHash(asMallory(text(line(lines, 1))))))),
  ).toEqual([
    ['edited', 3, 2, 2],
    ['edited', 3, 2, 2],
  ]);
  // One that is there, and of this chain.
  const moved = (lines: string[]): string[] => {
    const first = line(lines, 1);
    const second = line(lines, 5);
    const changed = give(lines, contextHash(text(second)));
    return [first, line(lines, 2), second, changed, line(lines, 4), ...lines.slice(5)];
  };
  expect(await verdictOn(moved)).toEqual([['edited', 4, 2, 2]]);
});

test('names a context that was taken out, put in, or is none', async () => {
  expect(await verdictOn((lines) => lines.slice(1))).toEqual([['edited', 1, 1, 1]]);
  expect(await verdictOn((lines) => lines.toSpliced(2, 0, reframe(line(lines, 1), asMallory)))).toEqual([
    ['malformed', 3, undefined, undefined],
  ]);
  expect(await verdictOn((lines) => lines.toSpliced(2, 0, formatFrame('context', '{"a":{}}')))).toEqual([
    ['malformed', 3, undefined, undefined],
  ]);
  expect(await verdictOn((lines) => [...lines, line(lines, 1)])).toEqual([
    ['malformed', 9, undefined, undefined],
  ]);
});

test('names the records of a line of several that was edited, and what stands before it and none of them names', async () => {
  const write = (change: (lines: string[]) => readonly string[]) => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    for (const method of ['GET', 'POST', 'GET'])
      recorder.request({ ...allowedFacts, request: { ...request, method } }, answered);
    recorder.request(deniedFacts, refused);
    recorder.close();
    const file = join(directory, segmentsIn(directory)[0] ?? '');
    writeFileSync(
      file,
      change(framesIn(file))
        .map((text) => `${text}\n`)
        .join(''),
      'latin1',
    );
    return verifyFlows(directory);
  };
  const verdict = async (change: (lines: string[]) => readonly string[]): Promise<unknown[]> =>
    (await write(change)).problems.map(({ kind, line: at, from, to }) => [kind, at, from, to]);
  expect(await write((lines) => lines)).toMatchObject({ records: 4, problems: [] });
  const edit = (payload: string): string => payload.replace('/applications/17', '/applications/18');
  expect(await verdict((lines) => lines.with(2, edit(line(lines, 3))))).toEqual([['edited', 3, 1, 3]]);
  expect(await verdict((lines) => lines.with(2, reframe(line(lines, 3), edit)))).toEqual([
    ['edited', 3, 1, 3],
  ]);
  expect(await verdict((lines) => lines.slice(1))).toEqual([['edited', 2, 1, 1]]);
  expect(await verdict((lines) => lines.toSpliced(1, 0, reframe(line(lines, 1), asMallory)))).toEqual([
    ['malformed', 2, undefined, undefined],
  ]);
  expect(await verdict((lines) => [line(lines, 1), ...lines])).toEqual([
    ['malformed', 1, undefined, undefined],
  ]);
});

test('names records that are passed off as those of another worker by what they have in common', async () => {
  const { directory, file } = await recordSix();
  renameSync(file, file.replace('worker-0001', 'worker-0002'));
  const { problems } = await verifyFlows(directory);
  expect(problems.filter(({ kind }) => kind === 'foreign')).toHaveLength(6);
});

test('takes what a kill left for a torn end, wherever it fell', async () => {
  const whole = await recordSix();
  const { length } = readFileSync(whole.file);
  const behindContext = framesIn(whole.file).slice(0, 5).join('\n').length + 1;
  for (const left of [length - 1, length - 100, behindContext, behindContext - 1, behindContext - 100]) {
    const { directory, file } = await recordSix();
    writeFileSync(file.replace(/-[0-9]+\.jsonl$/, '.head'), '');
    truncateSync(file, left);
    const report = await verifyFlows(directory);
    expect(report.problems).toEqual([]);
    expect(report.torn).toHaveLength(left === behindContext ? 0 : 1);
    expect(recordsIn(directory).length).toBe(report.records);
  }
});
