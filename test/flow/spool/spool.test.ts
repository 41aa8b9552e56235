import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { verifyFlows } from '../../../src/flow/verify/verify-flows.ts';
import { linesIn, recordsIn, segmentsIn } from '../../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered } from '../samples.ts';

describe('the spool of a worker', () => {
  test('tells that records are written only when the file has them', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    recorder.request(allowedFacts, answered);
    expect(linesIn(directory)).toHaveLength(0);
    const seen = await new Promise<number>((resolve) => {
      recorder.whenWritten(() => resolve(linesIn(directory).length));
    });
    expect(seen).toBe(1);
    expect(recorder.written()).toBe(1);
  });

  test('tells everyone who waits, even after one whose callback throws', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    const thrown = new Promise<unknown>((resolve) => {
      const earlier = process.rawListeners('uncaughtException') as NodeJS.UncaughtExceptionListener[];
      process.removeAllListeners('uncaughtException');
      process.once('uncaughtException', (error) => {
        for (const listener of earlier) process.on('uncaughtException', listener);
        resolve(error);
      });
    });
    recorder.whenWritten(() => {
      throw new Error('of a callback');
    });
    await whenWritten(recorder);
    expect(await thrown).toEqual(new Error('of a callback'));
  });

  test('keeps its files from everyone else', async () => {
    const directory = makeFlowDirectory();
    openRecorder(directory);
    expect(readdirSync(directory).map((name) => statSync(join(directory, name)).mode & 0o777)).toEqual([
      0o600, 0o600,
    ]);
  });

  test('goes on in a next segment when one is full, in one chain, with names in order', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory, { segmentBytes: 4000 });
    for (let index = 0; index < 20; index += 1) {
      recorder.request(allowedFacts, answered);
      await whenWritten(recorder);
    }
    expect(segmentsIn(directory).length).toBeGreaterThan(3);
    expect(recordsIn(directory).map(({ metadata }) => metadata.sequence)).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    );
    expect(await verifyFlows(directory)).toMatchObject({ records: 20, problems: [], torn: [] });
  });

  test('writes more in one turn than its buffer holds, without losing or mixing lines', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    for (let index = 0; index < 2000; index += 1) recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
    expect(await verifyFlows(directory)).toMatchObject({ records: 2000, problems: [], torn: [] });
  });

  test('keeps its order when those who are told record more, in a turn that overflows the buffer', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    recorder.request(allowedFacts, answered);
    recorder.whenWritten(() => recorder.request(allowedFacts, answered));
    for (let index = 0; index < 1000; index += 1) recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
    await whenWritten(recorder);
    expect(await verifyFlows(directory)).toMatchObject({ records: 1002, problems: [], torn: [] });
  });

  test('leaves the file of an earlier worker alone, even one of the same boot, number and time', async () => {
    const directory = makeFlowDirectory();
    const first = openRecorder(directory);
    first.request(allowedFacts, answered);
    first.close();
    const second = openRecorder(directory);
    second.request(allowedFacts, answered);
    second.close();
    const report = await verifyFlows(directory);
    expect(report).toMatchObject({ files: 2, records: 2, problems: [] });
    expect(report.streams.map(({ lastSequence }) => lastSequence)).toEqual([1, 1]);
  });

  test('numbers and chains the records of each worker apart', async () => {
    const directory = makeFlowDirectory();
    const workers = [1, 2].map((worker) => openRecorder(directory, { worker }));
    for (const recorder of [...workers, ...workers]) recorder.request(allowedFacts, answered);
    for (const recorder of workers) recorder.close();
    const report = await verifyFlows(directory);
    expect(report.problems).toEqual([]);
    expect(report.streams.map(({ worker, records }) => [worker, records])).toEqual([
      [1, 2],
      [2, 2],
    ]);
  });

  test('does not start where it cannot write', () => {
    const directory = makeFlowDirectory();
    const file = join(directory, 'a-file');
    writeFileSync(file, '');
    expect(() => openRecorder(file)).toThrow(/ENOTDIR/);
    expect(() => openRecorder(join(directory, 'nowhere'))).toThrow(/ENOENT/);
    expect(existsSync(join(directory, 'nowhere'))).toBe(false);
  });

  test('records nothing after it was closed, and says that it is not healthy', () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    expect(recorder.healthy()).toBe(true);
    recorder.close();
    recorder.request(allowedFacts, answered);
    recorder.close();
    expect(recorder.healthy()).toBe(false);
    expect(linesIn(directory)).toEqual([]);
  });
});
