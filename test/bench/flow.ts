import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFlowRecorder } from '../../src/flow/recorder.ts';
import type { FlowFacts } from '../../src/domain/flow.ts';
import type { FlowId } from '../../src/domain/ids.ts';
import { allowedFacts, answered, deniedFacts, refused } from '../flow/samples.ts';

/**
 * What a flow record costs: CPU microseconds of building, chaining, hashing and writing one, in turns of the event loop
 * that record `batch` of them. Medians of rounds; run it with `node test/bench/flow.ts`.
 */
const rounds = 9;
const perRound = 20_000;

async function measure(facts: FlowFacts, outcome: typeof answered, batch: number): Promise<number[]> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-bench-flow-'));
  const recorder = createFlowRecorder({
    directory,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'bench',
    worker: 1,
    productVersion: '0.1.0',
  });
  const costs: number[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const before = process.cpuUsage();
    for (let done = 0; done < perRound; done += batch) {
      for (let index = 0; index < batch; index += 1) {
        const path = `/applications/${done + index}`;
        const request = facts.request && { ...facts.request, path };
        recorder.request(
          { ...facts, id: `flow-${done + index}` as FlowId, ...(request && { request }) },
          outcome,
        );
      }
      await new Promise<void>((resolve) => recorder.whenWritten(resolve));
    }
    const { user, system } = process.cpuUsage(before);
    // The first round warms up.
    if (round > 0) costs.push((user + system) / perRound);
  }
  recorder.close();
  rmSync(directory, { recursive: true });
  return costs.toSorted((a, b) => a - b);
}

const rows: Record<string, object> = {};
for (const batch of [1, 8, 64]) {
  for (const [name, facts, outcome] of [
    ['allowed', allowedFacts, answered],
    ['denied', deniedFacts, refused],
  ] as const) {
    const costs = await measure(facts, outcome, batch);
    const median = costs[Math.floor(costs.length / 2)] ?? Number.NaN;
    rows[`${name}, ${batch} a turn`] = {
      'median µs': median.toFixed(2),
      'least µs': costs[0]?.toFixed(2),
      'most µs': costs.at(-1)?.toFixed(2),
    };
  }
}
console.table(rows);
