import { describe, expect, test } from 'vitest';
import { verifyFlows } from '../../../src/flow/verify/verify-flows.ts';
import { recordsIn } from '../../lab/flow-records.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered, monday } from '../samples.ts';

const noClock = { offsetMs: null, against: null } as const;

describe('a heartbeat', () => {
  test('says how far the chain is, what waits, what all records take, and how the clock is', async () => {
    const directory = makeFlowDirectory();
    const recorder = openRecorder(directory);
    recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
    recorder.request(allowedFacts, answered);
    recorder.heartbeat({ offsetMs: 7, against: 'redis' }, [
      {
        name: 'soc',
        type: 'syslog',
        lagRecords: 12,
        lagSeconds: 3,
        delivered: 4,
        refused: 0,
        problem: 'no answer',
      },
    ]);
    await whenWritten(recorder);
    const [, , beat] = recordsIn(directory);
    expect(beat?.metadata.sequence).toBe(3);
    expect(beat?.unmapped.postern).toMatchObject({
      gateway: 'gateway.example.org',
      boot: 'boot-1',
      worker: 1,
      spool: { waiting: 1, bytes: expect.any(Number), freeBytes: expect.any(Number) },
      sinks: [{ name: 'soc', records: 12, seconds: 3 }],
      clock: { offsetMs: 7, against: 'redis' },
    });
    const spool = beat?.unmapped.postern['spool'] as { bytes: number; freeBytes: number };
    expect(spool.bytes).toBeGreaterThan(3000);
    expect(spool.freeBytes).toBeGreaterThan(1_000_000);
  });

  test('makes a silence show that no missing number would, and only after the first of them', async () => {
    const directory = makeFlowDirectory();
    let now = monday;
    const recorder = openRecorder(directory, { now: () => now });
    recorder.request(allowedFacts, answered);
    now += 600_000;
    for (const wait of [30_000, 30_000, 80_000, 91_000, 30_000]) {
      recorder.heartbeat(noClock, []);
      now += wait;
    }
    recorder.close();
    const { problems, silences } = await verifyFlows(directory);
    expect(problems).toEqual([]);
    expect(silences).toEqual([
      {
        worker: 1,
        file: expect.stringContaining('worker-0001'),
        from: monday + 740_000,
        to: monday + 831_000,
      },
    ]);
  });
});
