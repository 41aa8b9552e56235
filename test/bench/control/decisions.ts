import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cores } from '../support/target.ts';
import { run } from '../support/processes.ts';
import { rowOf } from '../support/row.ts';
import type { Row } from '../support/row.ts';

/** Runs another benchmark, which keeps its process to itself, on one core, and takes its figures. */
async function figuresOf(script: string, isQuick: boolean): Promise<(...path: readonly string[]) => number> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-bench-figures-'));
  try {
    const file = join(directory, 'figures.json');
    const program = [process.execPath, join(import.meta.dirname, '..', script), '--json', file];
    await run(['taskset', '-c', String(cores.measured), ...program, ...(isQuick ? ['--quick'] : [])]);
    const figures: unknown = JSON.parse(await readFile(file, 'utf8'));
    return (...path) => {
      let value: unknown = figures;
      for (const key of path) value = (value as Record<string, unknown>)[key];
      if (typeof value !== 'number') throw new TypeError(`${script} has no figure ${path.join(' ')}`);
      return value;
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** CPU time of a decision with 5,000 policies and 30,000 users. */
export async function measureDecisions(isQuick: boolean): Promise<Row[]> {
  const figure = await figuresOf('policy.ts', isQuick);
  const of = '5000Policies30000Users';
  return [
    rowOf(
      'a decision that is cached',
      'decisionMicroseconds.cached',
      figure(`cachedMicroseconds.${of}`),
      'µs',
      5,
    ),
    rowOf(
      'one that is not, allowed',
      'decisionMicroseconds.uncachedAllowed',
      figure(`uncachedMicroseconds.${of}.allowed`),
      'µs',
      150,
    ),
    rowOf(
      'one that is not, denied',
      'decisionMicroseconds.uncachedDenied',
      figure(`uncachedMicroseconds.${of}.denied`),
      'µs',
      150,
    ),
  ];
}

/** Recorded flows against a proposal; those of `--quick` are a tenth. */
export async function measureReplay(isQuick: boolean): Promise<Row[]> {
  const figure = await figuresOf('replay.ts', isQuick);
  const flows = figure('policy replay', 'flows').toLocaleString('en');
  return [
    rowOf(`replay of ${flows} flows`, 'replaySeconds', figure('policy replay', 'wall_s'), 's', 60),
    rowOf(
      'the same, CPU time a flow',
      'replayMicrosecondsAFlow',
      figure('policy replay', 'cpu_us_per_flow'),
      'µs',
    ),
  ];
}
