import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { allowedFacts, answered, deniedFacts, refused } from '../flow/samples.ts';
import { killAtRandom } from './support/kill-worker.ts';
import { startLoad } from './support/load.ts';
import { startPostern } from './support/postern.ts';
import { start } from './support/processes.ts';
import { recordCosts, syncTimes } from './support/record-costs.ts';
import { reportRows, rowOf } from './support/row.ts';
import type { Row } from './support/row.ts';
import { median } from './support/table.ts';
import { cores } from './support/target.ts';

/**
 * What flow records cost: `npm run bench:flows -- [--quick] [--json FILE] [--kills N]`. CPU time, user and system, so that a
 * busy machine blurs it little; medians of rounds. The share of a request is that of a worker beside the same worker
 * without a recorder, in rounds that alternate. With kills, a recording process is killed so often at random moments, and
 * its chain verified each time.
 */
const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    kills: { type: 'string', default: '0' },
  },
});
const rounds = flags.quick ? 5 : 15;
const perRound = flags.quick ? 10_000 : 20_000;
const loadRounds = flags.quick ? 16 : 40;
const loadSeconds = flags.quick ? 0.5 : 1;
/** What compiles the worker's code counts calls, not seconds: a machine that is busy warms up as far as one that is not. */
const warmUpRequests = flags.quick ? 40_000 : 200_000;

const rows: Row[] = [];

for (const [what, key, facts, outcome] of [
  ['an allowed request', 'allowed', allowedFacts, answered],
  ['a refusal', 'denied', deniedFacts, refused],
] as const)
  for (const batch of [1, 64]) {
    const micros = median(await recordCosts(facts, outcome, { batch, rounds, perRound }));
    rows.push(
      rowOf(
        `record of ${what}, ${batch} a turn`,
        `${key}${batch}ATurnMicros`,
        micros,
        'µs CPU',
        batch === 64 ? 10 : undefined,
      ),
    );
  }

for (const batch of [1, 64]) {
  const times = await syncTimes(deniedFacts, refused, { batch, turns: flags.quick ? 50 : 300 });
  const what = batch === 1 ? 'a refusal' : `${batch} refusals at once`;
  rows.push(rowOf(`${what} on the disk`, `synced${batch}Millis`, median(times), 'ms'));
}

const directory = mkdtempSync(join(tmpdir(), 'postern-bench-flows-'));
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const stops: (() => Promise<void>)[] = [];

/** Percent of the requests of a CPU-second that recording costs. */
async function shareOfRequests(): Promise<number> {
  const support = join(import.meta.dirname, 'support');
  const upstream = await start(cores.load, [process.execPath, join(support, 'upstream-server.ts')], {
    ready: /ready \d+/,
  });
  stops.push(upstream.stop);
  const port = Number(/ready (\d+)/.exec(upstream.output)?.[1]);
  const serveUnrecorded = [process.execPath, join(support, 'serve-unrecorded.ts')];
  const measured = [];
  for (const [name, serve] of [
    ['recorded', undefined],
    ['unrecorded', serveUnrecorded],
  ] as const) {
    const at = join(directory, name);
    mkdirSync(at);
    const target = await startPostern(at, port, serve);
    stops.push(target.stop);
    const load = await startLoad(at, target, 32);
    stops.push(load.stop);
    measured.push({ load, perCpuSecond: [] as number[] });
  }
  // In turn, as they are measured: neither rests while the other warms up, and both have done the same when it begins.
  for (let warmed = 0; warmed < warmUpRequests; ) {
    const done: number[] = [];
    for (const { load } of measured) done.push((await load.run(loadSeconds)).requests);
    warmed += Math.min(...done);
  }
  for (let round = 0; round < loadRounds; round += 1)
    for (const { load, perCpuSecond } of round % 2 === 0 ? measured : measured.toReversed()) {
      const { requests, cpuSeconds, failures, firstFailure } = await load.run(loadSeconds);
      if (failures > 0) throw new Error(`${failures} answers were not 200, the first: ${firstFailure}`);
      perCpuSecond.push(requests / cpuSeconds);
    }
  const [withRecords = Number.NaN, without = Number.NaN] = measured.map(({ perCpuSecond }) =>
    median(perCpuSecond),
  );
  rows.push(
    rowOf('requests of a worker', 'requestsPerCpuSecond', withRecords, 'a CPU-second'),
    rowOf('requests without recording', 'unrecordedPerCpuSecond', without, 'a CPU-second'),
  );
  // Of neighbors: what else the machine does meanwhile, it does to both.
  const [recorded, unrecorded] = measured.map(({ perCpuSecond }) => perCpuSecond);
  return median((recorded ?? []).map((requests, round) => (1 - requests / (unrecorded?.[round] ?? 0)) * 100));
}

try {
  rows.push(
    rowOf('what recording costs a request', 'recordingSharePercent', await shareOfRequests(), '%', 5),
  );
  const kills = Number(flags.kills);
  for (let kill = 0; kill < kills; kill += 1) await killAtRandom(join(directory, `kill-${kill}`));
  if (kills > 0) rows.push(rowOf('kills that lost nothing', 'kills', kills, `of ${kills}`));
  reportRows(rows, flags.json);
} finally {
  for (const stop of stops.toReversed()) await stop();
}
