import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { readRecords } from '../../src/flow/read/read-records.ts';
import { retireSegments } from '../../src/flow/spool/retire-segments.ts';
import { createSpoolListing } from '../../src/flow/shipper/spool-listing.ts';
import { createSpoolReader } from '../../src/flow/shipper/spool-reader.ts';
import { tailFlows } from '../../src/flow/read/tail-flows.ts';
import { verifyFlows } from '../../src/flow/verify/verify-flows.ts';
import { makeFlowDirectory, openRecorder } from '../flow/flow-directory.ts';
import { allowedFacts, answered, monday } from '../flow/samples.ts';
import { delivered, eventually, fileSink, makeDirectory, ship } from '../flow/shipper/shipping.ts';
import { segmentsIn } from '../lab/flow-records.ts';

/**
 * The attack: who has taken over a worker owns the directory of its records, which others read that may read more, root
 * among them. Under the name of a segment lies a link to a file that is none of the worker's, so that its lines are
 * printed, delivered or kept; or a pipe that never says anything, on which retention, checkpoints and delivery hang. Or it
 * is there for nothing but the error that it makes: then nobody is delivered the records of other workers and of
 * administrators, and nothing proves them whole.
 */
function directoryWith(put: (path: string, aside: string) => void): { directory: string; path: string } {
  const directory = makeFlowDirectory();
  const recorder = openRecorder(directory);
  recorder.request(allowedFacts, answered);
  recorder.close();
  const path = join(directory, segmentsIn(directory)[0] ?? '');
  const aside = join(makeFlowDirectory(), 'of-somebody-else');
  renameSync(path, aside);
  put(path, aside);
  return { directory, path };
}

function recordOne(directory: string, worker: number): void {
  const recorder = openRecorder(directory, { worker });
  recorder.request(allowedFacts, answered);
  recorder.close();
}

const kindsIn = async (directory: string): Promise<unknown[]> =>
  (await verifyFlows(directory)).problems.map(({ kind }) => kind);

const retire = (directory: string): Promise<number> =>
  retireSegments({ directory, before: monday + 99_000, isWritten: () => false });

test('no reader follows a link, and retention removes neither the link nor what it leads to', async () => {
  let target = '';
  const { directory, path } = directoryWith((at, aside) => {
    target = aside;
    symlinkSync(aside, at);
  });
  expect(await kindsIn(directory)).toEqual(['malformed', 'segment-missing', 'missing']);
  await expect(Array.fromAsync(readRecords(path))).rejects.toThrow(/ELOOP/);
  expect(await retire(directory)).toBe(0);
  expect(existsSync(target)).toBe(true);
  recordOne(directory, 2);
  const tail = tailFlows(directory, { signal: new AbortController().signal, fromStart: true });
  expect((await tail[Symbol.asyncIterator]().next()).value).toMatchObject({
    unmapped: { postern: { worker: 2 } },
  });
});

test('no reader waits for a pipe', async () => {
  const { directory, path } = directoryWith((at) => void execFileSync('mkfifo', [at]));
  expect(await kindsIn(directory)).toEqual(['malformed', 'segment-missing', 'missing']);
  expect(await Array.fromAsync(readRecords(path))).toEqual([]);
  expect(await retire(directory)).toBe(0);
});

const obstacles = [
  ['link', (at: string, aside: string) => symlinkSync(aside, at)],
  ['pipe', (at: string) => void execFileSync('mkfifo', [at])],
  ['folder', (at: string) => mkdirSync(at)],
] as const;

test.each(obstacles)(
  'a %s keeps the records of no other chain from a receiver or from proof',
  async (_, put) => {
    const { directory, path } = directoryWith(put);
    put(path.replace('-000001.jsonl', '.retired'), path);
    const sinks = makeDirectory();
    const settings = fileSink(sinks);
    recordOne(directory, 2);
    const shipper = await ship(directory, sinks, [settings]);
    await delivered(shipper);
    recordOne(directory, 3);
    await eventually(async () => (await shipper.health())[0]?.delivered === 2);
    expect(new Set(await kindsIn(directory))).toEqual(
      new Set(['malformed', 'edited', 'segment-missing', 'missing']),
    );
    expect((await verifyFlows(directory)).records).toBe(2);
  },
);

test('a chain that cannot be read when it is its turn is passed over by a sink, which says so, and by nobody else', async () => {
  const { directory, path } = directoryWith((at, aside) => renameSync(aside, at));
  recordOne(directory, 2);
  const listing = createSpoolListing([directory]);
  expect(await listing.streams()).toHaveLength(2);
  renameSync(path, `${path}.aside`);
  symlinkSync(`${path}.aside`, path);
  const limits = { records: 10, bytes: 10_000 };
  const reader = createSpoolReader({ listing, bootId: '', passesOver: true });
  expect((await reader.read(limits))?.items).toHaveLength(1);
  expect(reader.problem).toMatch(/ELOOP/);
  renameSync(`${path}.aside`, path);
  expect((await reader.read(limits))?.items).toHaveLength(1);
  expect(reader.problem).toBeUndefined();
  symlinkSync(path, `${path}.aside`);
  renameSync(`${path}.aside`, path);
  await expect(createSpoolReader({ listing, bootId: '' }).read(limits)).rejects.toThrow(/ELOOP/);
});
