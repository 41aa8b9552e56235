import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startHaproxy } from './support/haproxy.ts';
import { idleConnectionBytes } from './support/idle-memory.ts';
import { writePeerFiles } from './support/lab-peers.ts';
import { startLoad } from './support/load.ts';
import type { Load, Sample } from './support/load.ts';
import { startNginx } from './support/nginx.ts';
import { startPostern } from './support/postern.ts';
import { findProgram, start } from './support/processes.ts';
import { median, printTable } from './support/table.ts';
import { cores } from './support/target.ts';
import type { Target } from './support/target.ts';

/**
 * Requests per CPU-second of one worker with everything on (device certificate, session token, policy, flow record, own
 * upstream connections), beside gateways that do the same job as far as they can, in the same run; and what an idle
 * device connection costs. `npm run bench -- [--quick] [--json FILE] [--only postern|haproxyVerifyEach|nginxAuthRequest]`
 *
 * What counts is the CPU time, user and system, of the gateway's processes from /proc/PID/stat. They are pinned to one
 * core; load generator, application and Postern's control plane live on another. Rounds alternate between the
 * gateways, so that what else happens on the machine happens to all.
 */
const { values: flags } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    only: { type: 'string', multiple: true },
  },
});
const rounds = flags.quick ? 3 : 9;
const seconds = flags.quick ? 1.5 : 4;
const warmUpRequests = 40_000;
const longestWarmUpSeconds = flags.quick ? 6 : 30;
const busyConnections = 32;
const idleConnections = 5000;

if (process.platform !== 'linux' || findProgram('taskset') === undefined)
  throw new Error('needs Linux with taskset: apt-get install util-linux');
if (availableParallelism() < 2) throw new Error('needs two cores: one for the gateway, one for its load');

const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'));
// Also when it is interrupted: there are keys in it.
process.on('exit', () => rmSync(directory, { recursive: true, force: true }));
const notes: string[] = [];
const targets: Target[] = [];
const stops: (() => Promise<void>)[] = [];
const wants = (key: string): boolean => flags.only === undefined || flags.only.includes(key);

async function startTargets(upstreamPort: number): Promise<void> {
  const add = (target: Target): void => {
    targets.push(target);
    stops.push(target.stop);
  };
  if (wants('postern')) add(await startPostern(directory, upstreamPort));
  const files = await writePeerFiles(directory);
  for (const [key, name, startPeer] of [
    ['haproxyVerifyEach', 'haproxy', startHaproxy],
    ['nginxAuthRequest', 'nginx', startNginx],
  ] as const) {
    if (!wants(key)) continue;
    const program = findProgram(name);
    if (program === undefined)
      notes.push(`${name} was not found: apt-get install ${name === 'nginx' ? 'nginx-light' : name}`);
    else add(await startPeer(program, directory, files, upstreamPort));
  }
}

async function measure(): Promise<Map<Target, Sample[]>> {
  const samples = new Map<Target, Sample[]>(targets.map((target) => [target, []]));
  const loads: [Target, Load][] = [];
  for (const target of targets) {
    const load = await startLoad(directory, target, busyConnections);
    stops.push(load.stop);
    loads.push([target, load]);
    await warmUp(target, load);
  }
  for (let round = 0; round < rounds; round += 1)
    for (const [target, load] of round % 2 === 0 ? loads : loads.toReversed())
      samples.get(target)?.push(await load.run(seconds));
  for (const [, load] of loads) await load.stop();
  return samples;
}

/** Code that runs for the first time is slow; what counts is a worker that has run for a while. */
async function warmUp(target: Target, load: Load): Promise<void> {
  if (target.key !== 'postern') return void (await load.run(1));
  let requests = 0;
  const until = performance.now() + longestWarmUpSeconds * 1000;
  while (requests < warmUpRequests && performance.now() < until) requests += (await load.run(1)).requests;
  if (requests < warmUpRequests)
    notes.push(
      `${target.name}: only ${requests} requests of warm-up in ${longestWarmUpSeconds} s; this machine is busy, and the figure is too low.`,
    );
}

const perCpuSecond = ({ requests, cpuSeconds }: Sample): number => requests / cpuSeconds;

function report(samples: Map<Target, Sample[]>): {
  rows: Record<string, string>[];
  figures: Record<string, number>;
} {
  const rows: Record<string, string>[] = [];
  const figures: Record<string, number> = {};
  const ours = [...samples].find(([{ key }]) => key === 'postern')?.[1] ?? [];
  const own = median(ours.map(perCpuSecond));
  const addRow = (name: string, key: string, values: number[], utilization: string): void => {
    figures[key] = Math.round(median(values));
    rows.push({
      gateway: name,
      'requests per CPU-second': median(values).toFixed(0),
      spread: `${Math.min(...values).toFixed(0)}-${Math.max(...values).toFixed(0)}`,
      'Postern is': key === 'postern' || ours.length === 0 ? '' : `${(own / median(values)).toFixed(2)} x`,
      'core of the gateway busy': utilization,
    });
  };
  for (const [target, taken] of samples) {
    const busy = median(taken.map(({ cpuSeconds, seconds: wall }) => cpuSeconds / wall));
    addRow(target.name, target.key, taken.map(perCpuSecond), `${(busy * 100).toFixed(0)} %`);
    if (target.helpers !== undefined)
      addRow(
        target.helpers.name,
        target.helpers.key,
        taken.map(({ requests, cpuSeconds, helperCpuSeconds }) => requests / (cpuSeconds - helperCpuSeconds)),
        '',
      );
    noteLimits(target, taken, busy);
  }
  return { rows, figures };
}

function noteLimits(target: Target, taken: readonly Sample[], busy: number): void {
  const failures = taken.reduce((sum, sample) => sum + sample.failures, 0);
  const { firstFailure } = taken.find((sample) => sample.firstFailure !== undefined) ?? {};
  if (failures > 0)
    throw new Error(`${target.name}: ${failures} answers were not 200, the first: ${firstFailure}`);
  if (busy > 0.9) return;
  // Seen while other work ran on the machine: figures of all three moved by a factor of two, and the ratios with them.
  const loadBusy = median(taken.map((sample) => sample.generatorBusy));
  const upstreamBusy = median(taken.map((sample) => sample.upstreamBusy));
  notes.push(
    `${target.name}: its core was ${(busy * 100).toFixed(0)} % busy, so something else set the pace ` +
      `(load generator ${(loadBusy * 100).toFixed(0)} %, application ${(upstreamBusy * 100).toFixed(0)} % of their core); ` +
      'a gateway that waits batches less and finds its caches cold, so the figure is likely too low.',
  );
}

try {
  const upstream = await start(
    cores.load,
    [process.execPath, join(import.meta.dirname, 'support/upstream-server.ts')],
    { ready: /ready \d+/ },
  );
  stops.push(upstream.stop);
  await startTargets(Number(/ready (\d+)/.exec(upstream.output)?.[1]));
  for (const target of targets) target.upstreamPid = upstream.pid;
  const samples = await measure();
  const { rows, figures } = report(samples);
  printTable(rows);
  const idle: Record<string, number> = {};
  const own = targets.find(({ key }) => key === 'postern');
  if (own !== undefined) {
    idle['postern'] = Math.round(await idleConnectionBytes(directory, own, idleConnections));
    console.log(
      `An idle device connection costs a worker ${(idle['postern'] / 1024).toFixed(1)} KiB (${idleConnections} open, mTLS, token presented once).`,
    );
  }
  for (const note of notes) console.log(`Note: ${note}`);
  if (flags.json !== undefined) {
    const report = { http1RequestsPerCpuSecond: figures, idleConnectionBytes: idle };
    writeFileSync(flags.json, `${JSON.stringify(report, null, 2)}\n`);
  }
} finally {
  for (const stop of stops.toReversed()) await stop();
}
