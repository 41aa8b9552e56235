import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FlowFacts, FlowOutcome } from '../../../src/domain/flow.ts';
import type { FlowId } from '../../../src/domain/ids.ts';
import { createFlowRecorder } from '../../../src/flow/recorder.ts';

/** CPU microseconds of building, chaining, hashing and writing a record, in turns that record `batch` of them, by round. */
export async function recordCosts(
  facts: FlowFacts,
  outcome: FlowOutcome,
  { batch, rounds, perRound }: { batch: number; rounds: number; perRound: number },
): Promise<number[]> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-bench-records-'));
  const recorder = createFlowRecorder({
    directory,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'bench',
    worker: 1,
    productVersion: '0.1.0',
  });
  const costs: number[] = [];
  try {
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
  } finally {
    recorder.close();
    rmSync(directory, { recursive: true });
  }
  return costs;
}
