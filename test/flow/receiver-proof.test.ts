import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { linesIn } from '../lab/flow-records.ts';
import { recordEveryKind } from './every-record.ts';
import { makeFlowDirectory, openRecorder } from './flow-directory.ts';
import { allowedFacts, answered, request } from './samples.ts';

/**
 * What docs/record-proof.md gives to a receiver, as it is printed there: it knows nothing of our code, and gets what a sink
 * delivers.
 */
const page = readFileSync(new URL('../../docs/record-proof.md', import.meta.url), 'utf8');
const [, program = ''] = /```js\n(.*?)```/s.exec(page) ?? [];

function proofOf(lines: readonly string[]): string[] {
  const file = join(makeFlowDirectory(), 'chain.mjs');
  writeFileSync(file, program);
  const { stdout, stderr } = spawnSync(process.execPath, [file], {
    input: lines.map((line) => `${line}\n`).join(''),
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  return stdout.split('\n').slice(0, -1);
}

function recorded(): string[] {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recordEveryKind(recorder);
  for (const path of ['/a', '/ü\u202e"\\', '/b'])
    recorder.request({ ...allowedFacts, request: { ...request, path, userAgent: 'Zürich\u007f' } }, answered);
  recordEveryKind(recorder);
  recorder.close();
  return linesIn(directory);
}

const chain = 'worker 1, 1767600001000, boot-1';

test('a receiver proves what it was delivered, and finds what was changed or is missing', () => {
  const lines = recorded();
  const at = lines.findIndex((line) => line.includes('"path":"/a"'));
  const line = lines[at] ?? '';
  expect(line).toMatch(/"context":"[0-9a-f]{64}"/);
  expect(proofOf(lines)).toEqual([]);
  expect(proofOf([...lines.slice(0, 3), ...lines.slice(3 - 1)])).toEqual([]);
  expect(line).toMatch(new RegExp(`"batch":${at + 1},`));
  expect(lines.slice(at, at + 3).filter((own) => own.includes(`"batch":${at + 1},`))).toHaveLength(3);
  expect(proofOf(lines.slice(at + 1))).toEqual([]);
  expect(proofOf(lines.toSpliced(at, 2))).toEqual([`${chain}: ${at + 1} to ${at + 2} are missing`]);
  const changes: readonly (readonly [string | RegExp, string])[] = [
    ['"path":"/a"', '"path":"/c"'],
    ['alice@', 'mallory@'],
    ['"code":200', '"code":201'],
    [/"duration":\d+/, '"duration":1'],
    [/"end_time":\d+/, '"end_time":1'],
    [/"bytes":\d+/, '"bytes":1'],
    [/"uid":"0(?=[^"]+","sequence")/, '"uid":"1'],
    [/"correlation_uid":"0/, '"correlation_uid":"1'],
    [/"boot":/, '"extra":1,"boot":'],
  ];
  // The first, one in the middle and the last of those that were written in one line.
  for (const [index, place] of [at, at + 1, at + 2].entries())
    for (const [what, by] of changes) {
      const own = lines[place] ?? '';
      if (index > 0 && own.replace(what, by) === own) continue;
      expect(own.replace(what, by)).not.toBe(own);
      expect(proofOf(lines.with(place, own.replace(what, by)))).toEqual([
        `${chain}: ${place + 1} or ${place + 2} was changed`,
      ]);
    }
  const second = lines[at + 1] ?? '';
  for (const [what, by] of [
    [/"logged_time":\d+/, '"logged_time":1'],
    [/"batch":\d+/, `"batch":${at + 2}`],
    [/"lost":0/, '"lost":7'],
  ] as const) {
    expect(second.replace(what, by)).not.toBe(second);
    expect(proofOf(lines.with(at + 1, second.replace(what, by)))).toEqual([
      `${chain}: ${at + 2} or ${at + 3} was changed`,
    ]);
  }
});
