import { statfsSync, truncateSync, writeFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { verifyFlows } from '../../src/flow/verify/verify-flows.ts';
import { problemsOf, recordsIn } from '../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from './flow-directory.ts';
import { allowedFacts, answered, deniedFacts, refused } from './samples.ts';

const noClock = { offsetMs: null, against: null } as const;
const bounds = { maxBytes: 20_000, minFreeBytes: 0 };
/** Records of a server that is no more, which count like all others. */
const oldSegment = 'worker-0001-1700000000000-boot-0-000001.jsonl';

describe('the room that records may take', () => {
  test('is there for new flows up to the bound, and for refusals and findings beyond it', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory, { bounds });
    let count = 0;
    while (recorder.hasRoomFor('requests')) {
      recorder.request(allowedFacts, answered);
      count += 1;
    }
    expect(count).toBeGreaterThan(3);
    // What is answered in one turn is counted together.
    expect(count).toBeLessThan(300);
    expect(recorder.hasRoomFor('tunnels')).toBe(false);
    expect(recorder.room).toMatchObject({ isFull: true, dropped: { requests: 0, tunnels: 0 } });
    // What was let in before, and what was refused, is recorded in any case.
    recorder.request(allowedFacts, answered);
    recorder.request(deniedFacts, refused);
    await whenWritten(recorder);
    expect(recordsIn(directory)).toHaveLength(count + 2);
  });

  test('is all workers’ together, and there again when old records are gone', async () => {
    const directory = makeFlowDirectory();
    const old = join(directory, oldSegment);
    writeFileSync(old, '');
    truncateSync(old, 30_000);
    const recorder = openRecorder(directory, { bounds });
    expect(recorder.hasRoomFor('requests')).toBe(false);
    rmSync(old);
    await vi.waitUntil(() => recorder.hasRoomFor('requests'), { timeout: 20_000 });
  });

  test('ends where the disk is to stay free', () => {
    const { bavail, bsize } = statfsSync(makeFlowDirectory());
    const directory = makeFlowDirectory();
    const minFreeBytes = bavail * bsize * 2;
    expect(
      openRecorder(directory, { bounds: { maxBytes: undefined, minFreeBytes } }).hasRoomFor('requests'),
    ).toBe(false);
    expect(
      openRecorder(directory, { bounds: { maxBytes: undefined, minFreeBytes: 1 } }).hasRoomFor('requests'),
    ).toBe(true);
  });

  test('may be exceeded by flows that are only counted: in a finding, again while it lasts, and once it is over', async () => {
    const directory = makeFlowDirectory();
    const old = join(directory, oldSegment);
    writeFileSync(old, '');
    truncateSync(old, 30_000);
    const recorder = openRecorder(directory, { bounds, dropAtBound: ['requests'] });
    expect([recorder.hasRoomFor('requests'), recorder.hasRoomFor('tunnels')]).toEqual([true, false]);
    for (let n = 0; n < 5; n += 1) recorder.request(allowedFacts, answered);
    recorder.request(deniedFacts, refused);
    recorder.tunnelOpened(allowedFacts);
    recorder.heartbeat(noClock, []);
    recorder.heartbeat(noClock, []);
    recorder.request(allowedFacts, answered);
    recorder.heartbeat(noClock, []);
    expect(recorder.room.dropped).toEqual({ requests: 6, tunnels: 0 });
    rmSync(old);
    await vi.waitUntil(() => !recorder.room.isFull, { timeout: 20_000 });
    recorder.close();
    const records = recordsIn(directory);
    expect(records.flatMap(problemsOf)).toEqual([]);
    expect(records.map(({ type_uid }) => type_uid)).toEqual([
      400203, 400101, 200401, 300499, 300499, 200402, 300499, 200403,
    ]);
    const findings = records.filter(({ class_uid }) => class_uid === 2004);
    expect(findings.map(({ unmapped: { postern } }) => postern['counts'])).toEqual([
      { requests: 5, tunnels: 0 },
      { requests: 6, tunnels: 0 },
      { requests: 6, tunnels: 0 },
    ]);
    expect(new Set(findings.map(({ metadata }) => metadata['correlation_uid'])).size).toBe(1);
    expect((await verifyFlows(directory)).problems.map(({ file }) => file)).toEqual([oldSegment].slice(1));
  });
});
