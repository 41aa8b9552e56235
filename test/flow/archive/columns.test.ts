import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FlowView } from '../../../src/contract/flow-search.ts';
import { columnNames, columns, rowOf } from '../../../src/flow/archive/columns.ts';
import { parsePartitionPath, partitionOf, partitionPath } from '../../../src/flow/archive/partition.ts';
import { advanceStreams } from '../../../src/flow/archive/manifest.ts';
import { parseFileName, validFiles } from '../../../src/flow/archive/file-name.ts';

test('the API and the guide have each column of the archive, in its order', () => {
  expect(Object.keys(FlowView.properties)).toEqual([...columnNames, 'record']);
  const guide = readFileSync(new URL('../../../docs/flow-search.md', import.meta.url), 'utf8');
  const rows = [...guide.matchAll(/^\| `(\w+)` +\| (\w+) +\| (.*?) +\|$/gm)].map((row) => row.slice(1));
  expect(rows).toEqual(columnNames.map((name) => [name, columns[name].kind, columns[name].description]));
});

test('a record that says nothing, or other things than it should, is a row all the same', () => {
  const empty = rowOf({});
  expect(Object.values(empty).filter((value) => value !== null)).toEqual([[], []]);
  const odd = rowOf({
    time: 'now',
    class_uid: 1.5,
    unmapped: { postern: { reasons: [1, 'a', {}], app: {} } },
    action_id: '1',
  });
  expect(odd).toMatchObject({ time: null, class: 1, reasons: ['a'], app: null, verdict: null });
});

test('a record is kept as long as the most that it is', () => {
  const keep = (record: object): string => partitionOf({ time: 0, ...record }, 0).keep;
  expect(keep({ class_uid: 4002, action: 'Allowed' })).toBe('flows');
  expect(keep({ class_uid: 4002, action: 'Denied' })).toBe('security');
  expect(keep({ class_uid: 3002, action: 'Allowed' })).toBe('security');
  expect(keep({ class_uid: 2004 })).toBe('security');
  expect(keep({ class_uid: 6003 })).toBe('administration');
  expect(keep({ class_uid: 3004, unmapped: { postern: { event: 'app-removed' } } })).toBe('administration');
  // A heartbeat: one worker makes a million a year.
  expect(keep({ class_uid: 3004, activity_id: 99 })).toBe('flows');
});

test('remembers the chains that were archived of last, however many there were', () => {
  const streams = advanceStreams({ 'a 1 1': 5, 'b 1 1': 7, 'c 1 1': 9 }, { 'a 1 1': 6, 'd 1 1': 1 }, 3);
  expect(streams).toEqual({ 'c 1 1': 9, 'a 1 1': 6, 'd 1 1': 1 });
});

test('knows its own paths and names, and nothing else', () => {
  const now = Date.UTC(2026, 10, 24, 13, 59);
  const partition = partitionOf({ time: 'unknown' }, now);
  expect(partitionPath(partition)).toBe('keep=flows/date=2026-11-24/hour=13');
  expect(parsePartitionPath(partitionPath(partition))).toEqual(partition);
  for (const path of [
    'keep=other/date=2026-11-24/hour=13',
    'keep=flows/date=2026-11-24/hour=25',
    '../keep=flows',
  ])
    expect(parsePartitionPath(path)).toBeUndefined();
  for (const name of ['a.parquet', 'a.00000001-00000001.parquet.tmp', "a'.00000001-00000001.parquet"])
    expect(parseFileName(name)).toBeUndefined();
  const [all, part, other] = [
    { writer: 'a', from: 1, to: 3 },
    { writer: 'a', from: 2, to: 2 },
    { writer: 'b', from: 2, to: 2 },
  ];
  expect(validFiles([part, all, other])).toEqual([all, other]);
});
