import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { tailFlows } from '../../../src/flow/read/tail-flows.ts';
import { framesIn, reframe, segmentsIn } from '../../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered } from '../samples.ts';

const placeOf = (record: unknown): [worker: number, sequence: number] => {
  const { metadata, unmapped } = record as {
    metadata: { sequence: number };
    unmapped: { postern: { worker: number } };
  };
  return [unmapped.postern.worker, metadata.sequence];
};

/** Takes records until there are so many. */
async function take(records: AsyncIterator<unknown>, count: number): Promise<[number, number][]> {
  const places: [number, number][] = [];
  while (places.length < count) {
    const next = await records.next();
    if (next.done === true) break;
    places.push(placeOf(next.value));
  }
  return places;
}

function startTail(directory: string, fromStart: boolean) {
  const stop = new AbortController();
  return { records: tailFlows(directory, { signal: stop.signal, fromStart })[Symbol.asyncIterator](), stop };
}

test('tells what was recorded before and what is recorded from now on, in order', async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const { records, stop } = startTail(directory, true);
  expect(await take(records, 1)).toEqual([[1, 1]]);
  const next = take(records, 2);
  recorder.request(allowedFacts, answered);
  recorder.request(allowedFacts, answered);
  expect(await next).toEqual([
    [1, 2],
    [1, 3],
  ]);
  stop.abort();
  expect(await records.next()).toEqual({ done: true, value: undefined });
});

test('tells only what is new unless asked for the rest', async () => {
  const directory = makeFlowDirectory();
  const earlier = openRecorder(directory);
  earlier.request(allowedFacts, answered);
  earlier.close();
  const { records, stop } = startTail(directory, false);
  const places: [number, number][] = [];
  const taken = take(records, 1).then((first) => places.push(...first));
  const later = openRecorder(directory, { worker: 9 });
  while (places.length === 0) {
    later.request(allowedFacts, answered);
    await whenWritten(later);
  }
  await taken;
  expect(places.map(([worker]) => worker)).toEqual([9]);
  stop.abort();
});

test('waits for the rest of a line that is not finished', async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recorder.request(allowedFacts, answered);
  recorder.close();
  const file = join(directory, segmentsIn(directory)[0] ?? '');
  const written = framesIn(file);
  const second = `${reframe(written.at(-1) ?? '', (payload) => payload.replace('",1,', '",2,'))}\n`;
  appendFileSync(file, second.slice(0, 100));
  const { records, stop } = startTail(directory, true);
  expect(await take(records, 1)).toEqual([[1, 1]]);
  const next = take(records, 1);
  appendFileSync(file, second.slice(100));
  expect(await next).toEqual([[1, 2]]);
  stop.abort();
});

test('follows a worker across its segments, and workers that start later', async () => {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory, { segmentBytes: 3000 });
  const { records, stop } = startTail(directory, true);
  const seen = take(records, 14);
  for (let index = 0; index < 12; index += 1) {
    recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
  }
  const later = openRecorder(directory, { worker: 2 });
  later.request(allowedFacts, answered);
  later.request(allowedFacts, answered);
  const places = await seen;
  expect(places.filter(([worker]) => worker === 1).map(([, sequence]) => sequence)).toEqual(
    Array.from({ length: 12 }, (_, index) => index + 1),
  );
  expect(places.filter(([worker]) => worker === 2).map(([, sequence]) => sequence)).toEqual([1, 2]);
  stop.abort();
});

test('ends when it is told to, also while nothing happens', async () => {
  const { records, stop } = startTail(makeFlowDirectory(), true);
  const next = records.next();
  stop.abort();
  expect(await next).toEqual({ done: true, value: undefined });
});
