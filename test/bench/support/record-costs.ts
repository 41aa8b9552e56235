import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FlowFacts, FlowOutcome } from '../../../src/domain/flow.ts';
import type { FlowId } from '../../../src/domain/ids.ts';
import { createFlowRecorder } from '../../../src/flow/recorder.ts';
import type { SpoolingFlowRecorder } from '../../../src/flow/recorder.ts';

/** Milliseconds from a turn's records to all of them on the disk, one turn after the other, each. */
export async function syncTimes(
  facts: FlowFacts,
  outcome: FlowOutcome,
  { batch, turns }: { batch: number; turns: number },
): Promise<number[]> {
  return withRecorder(async (recorder) => {
    const times: number[] = [];
    for (let turn = 0; turn < turns; turn += 1) {
      const before = performance.now();
      for (let index = 0; index < batch; index += 1) recorder.request(facts, outcome);
      await new Promise<void>((resolve) => recorder.whenSynced(resolve));
      times.push(performance.now() - before);
    }
    return times;
  });
}

async function withRecorder<Value>(use: (recorder: SpoolingFlowRecorder) => Promise<Value>): Promise<Value> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-bench-records-'));
  const recorder = createFlowRecorder({
    directory,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'bench',
    worker: 1,
    productVersion: '0.1.0',
  });
  // Its timers keep no process alive.
  const alive = setInterval(() => undefined, 1000);
  try {
    return await use(recorder);
  } finally {
    clearInterval(alive);
    recorder.close();
    rmSync(directory, { recursive: true });
  }
}

/** CPU microseconds of building, chaining, hashing and writing a record, in turns that record `batch` of them, by round. */
export async function recordCosts(
  facts: FlowFacts,
  outcome: FlowOutcome,
  { batch, rounds, perRound }: { batch: number; rounds: number; perRound: number },
): Promise<number[]> {
  return withRecorder(async (recorder) => {
    const costs: number[] = [];
    for (let round = 0; round <= rounds; round += 1) {
      const before = process.cpuUsage();
      for (let done = 0; done < perRound; done += batch) {
        for (let index = 0; index < batch; index += 1) {
          const path = `/applications/${done + index}`;
          const request = facts.request && { ...facts.request, path };
          const id = `flow-${done + index}` as FlowId;
          recorder.request({ ...facts, id, ...(request && { request }) }, outcome);
        }
        await new Promise<void>((resolve) => recorder.whenWritten(resolve));
      }
      const { user, system } = process.cpuUsage(before);
      // The first round warms up.
      if (round > 0) costs.push((user + system) / perRound);
    }
    return costs;
  });
}
