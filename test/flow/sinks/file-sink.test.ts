import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createFileSink } from '../../../src/flow/sinks/file-sink.ts';
import { fileSink, makeDirectory } from '../shipper/shipping.ts';

const batchOf = (...texts: readonly string[]) => texts.map((text) => ({ text, record: {} }));
const hourMs = 3_600_000;

function open(more: Parameters<typeof fileSink>[1] = {}) {
  const directory = makeDirectory();
  const settings = fileSink(directory, more);
  let now = Date.UTC(2026, 0, 5, 8);
  const sink = createFileSink(settings, () => now);
  onTestFinished(() => sink.close());
  return {
    directory,
    path: settings.path,
    sink,
    reopen: () => createFileSink(settings, () => now),
    pass: (ms: number) => (now += ms),
    rotated: () =>
      readdirSync(directory)
        .filter((name) => name !== 'records.jsonl')
        .toSorted(),
  };
}

test('appends a line a record to a file that others of its group may read', async () => {
  const { sink, path } = open();
  const umask = process.umask(0o077);
  onTestFinished(() => void process.umask(umask));
  await sink.send(batchOf('{"a":1}', '{"b":2}'));
  await sink.send(batchOf('{"c":3}'));
  expect(readFileSync(path, 'utf8')).toBe('{"a":1}\n{"b":2}\n{"c":3}\n');
  expect(statSync(path).mode & 0o777).toBe(0o640);
});

test('what a kill left of a line is cut off before the next, and whole lines stay', async () => {
  const { sink, path, reopen } = open();
  await sink.send(batchOf('one', 'two'));
  await sink.close();
  appendFileSync(path, 'thr');
  const again = reopen();
  await again.send(batchOf('three'));
  await again.close();
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\nthree\n');
  writeFileSync(path, 'x'.repeat(200_000));
  const third = reopen();
  await third.send(batchOf('four'));
  await third.close();
  expect(readFileSync(path, 'utf8')).toBe('four\n');
});

test('begins another file after so many bytes, and keeps as many of the old as it is told', async () => {
  const { sink, path, rotated, directory, pass } = open({ rotateMegabytes: 1, keepFiles: 2 });
  writeFileSync(join(directory, 'records-of-somebody-else.jsonl'), 'kept\n');
  const large = 'x'.repeat(1024 * 1024);
  for (let index = 0; index < 4; index += 1) {
    await sink.send(batchOf(`${index}${large}`));
    pass(1000);
  }
  await sink.send(batchOf('last'));
  expect(readFileSync(path, 'utf8')).toBe('last\n');
  expect(rotated()).toEqual([
    'records-2026-01-05T08-00-03.000Z.jsonl',
    'records-2026-01-05T08-00-04.000Z.jsonl',
    'records-of-somebody-else.jsonl',
  ]);
  expect(readFileSync(join(directory, rotated()[1] ?? ''), 'utf8').startsWith('3x')).toBe(true);
});

test('and after so many hours, but never leaves an empty one', async () => {
  const { sink, rotated, pass } = open({ rotateHours: 1 });
  await sink.send(batchOf('one'));
  pass(hourMs - 1);
  await sink.send(batchOf('two'));
  expect(rotated()).toEqual([]);
  pass(1);
  await sink.send(batchOf('three'));
  expect(rotated()).toEqual(['records-2026-01-05T09-00-00.000Z.jsonl']);
});

test('writes to a new file when another program moved the old away, as logrotate does', async () => {
  const { sink, path } = open();
  await sink.send(batchOf('one'));
  renameSync(path, `${path}.1`);
  await sink.send(batchOf('two'));
  expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\n');
  expect(readFileSync(path, 'utf8')).toBe('two\n');
});

test('fails with what the system says where it cannot write, and goes on when it can', async () => {
  const { sink, path, directory } = open();
  rmSync(directory, { recursive: true });
  await expect(sink.send(batchOf('one'))).rejects.toThrow(/ENOENT.*records\.jsonl/);
  expect(existsSync(path)).toBe(false);
});
