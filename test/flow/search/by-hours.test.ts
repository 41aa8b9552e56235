import { expect, test } from 'vitest';
import { hourMs } from '../../../src/flow/archive/partition.ts';
import { rowOf } from '../../../src/flow/archive/columns.ts';
import { askByHours } from '../../../src/flow/search/by-hours.ts';
import { createCollector } from '../../../src/flow/search/collect-rows.ts';
import { counts, rows } from '../archive/archiving.ts';

/** Two files an hour of 100 hours, each with one record in the middle of it. */
const files = Array.from({ length: 200 }, (_, index) => ({
  hour: Math.floor(index / 2) * hourMs,
  uid: `u-${index}`,
}));
const rowIn = ({ hour, uid }: (typeof files)[number]) =>
  rowOf({ time: hour + hourMs / 2, metadata: { uid } });

async function ask(query: ReturnType<typeof rows>): Promise<{ shown: unknown[]; batches: number[] }> {
  const collector = createCollector(query);
  const batches: number[] = [];
  await askByHours(files, query, collector, async (batch) => {
    batches.push(batch.length);
    for (const file of batch) collector.add(rowIn(file), '');
  });
  const answer = collector.answer();
  return { shown: answer.kind === 'rows' ? answer.rows.map(({ uid }) => uid) : [...answer.counts], batches };
}
const newest = (count: number): string[] =>
  files
    .map(({ hour, uid }) => ({ hour, uid }))
    .sort((a, b) => b.hour - a.hour || (a.uid < b.uid ? 1 : -1))
    .slice(0, count)
    .map(({ uid }) => uid);

test('asks the newest hours, and no more than it takes to know what is newest', async () => {
  expect(await ask(rows({ limit: 2 }))).toEqual({ shown: newest(2), batches: [2] });
  // One more than the first hour has.
  expect(await ask(rows({ limit: 3 }))).toEqual({ shown: newest(3), batches: [2, 8] });
});

test('asks for all in few batches, and about no more files at once than memory has room for', async () => {
  expect(await ask(rows({ limit: 1000 }))).toEqual({ shown: newest(200), batches: [2, 8, 32, 128, 30] });
  expect((await ask(counts(['app']))).batches).toEqual([128, 72]);
});
