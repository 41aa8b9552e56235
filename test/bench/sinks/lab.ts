import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { linesIn } from '../../lab/flow-records.ts';

const worker = fileURLToPath(new URL('./recording-worker.ts', import.meta.url));

export interface BenchDirectories {
  readonly root: string;
  readonly flows: string;
  readonly sinks: string;
  remove(): Promise<void>;
}

export function makeDirectories(): BenchDirectories {
  const root = mkdtempSync(join(tmpdir(), 'postern-bench-sinks-'));
  const [flows, sinks] = [join(root, 'flows'), join(root, 'sinks')];
  for (const directory of [flows, sinks]) mkdirSync(directory);
  return { root, flows, sinks, remove: () => rm(root, { recursive: true }) };
}

/** Records so many, so many a second; then it ends, or goes on slower where that is said. */
export const startWorker = (
  flows: string,
  number: number,
  perSecond: number,
  count: number,
  thenPerSecond?: number,
): ChildProcess =>
  fork(
    worker,
    [
      flows,
      'bench',
      ...[number, perSecond, count].map(String),
      ...(thenPerSecond === undefined ? [] : [String(thenPerSecond)]),
    ],
    { execArgv: [], stdio: 'ignore' },
  );

/** A line as a name for its record: worker and sequence. */
export function nameOf(line: string): string {
  const [, sequence = '?'] = /"sequence":(\d+)/.exec(line) ?? [];
  const [, number = '?'] = /"worker":(\d+)/.exec(line) ?? [];
  return `${number}:${sequence}`;
}

export const recordedIn = (flows: string): string[] => linesIn(flows).map(nameOf);

/** @returns whether it came to be so in that time */
export async function until(isSo: () => boolean, everyMs: number, withinMs: number): Promise<boolean> {
  for (const end = performance.now() + withinMs; performance.now() < end; await pause(everyMs))
    if (isSo()) return true;
  return isSo();
}

/** Up to which sequence a sink's receiver has acknowledged each worker's chain; undefined where there is no cursor yet. */
export function acknowledgedOf(sinks: string, name: string): ReadonlyMap<string, number> | undefined {
  let text: string;
  try {
    text = readFileSync(join(sinks, `${name}.cursor`), 'utf8');
  } catch {
    return undefined;
  }
  const { streams } = JSON.parse(text) as { streams: Record<string, { sequence?: number }> };
  return new Map(
    Object.entries(streams).map(([stream, { sequence = 0 }]) => [
      String(Number(stream.split('-')[1])),
      sequence,
    ]),
  );
}

/** Whether a record, by its name, is among what was acknowledged. */
export function isWithin(name: string, reached: ReadonlyMap<string, number> | undefined): boolean {
  const [number = '', sequence = '0'] = name.split(':');
  return Number(sequence) <= (reached?.get(number) ?? 0);
}

/** Whether a sink's receiver has acknowledged all of these chains. */
export function hasAcknowledged(sinks: string, name: string, last: ReadonlyMap<string, number>): boolean {
  const reached = acknowledgedOf(sinks, name);
  return (
    reached !== undefined && [...last].every(([number, sequence]) => (reached.get(number) ?? 0) >= sequence)
  );
}

/** The last sequence of each worker. */
export function lastOf(names: readonly string[]): Map<string, number> {
  const last = new Map<string, number>();
  for (const name of names) {
    const [number = '', sequence = '0'] = name.split(':');
    last.set(number, Math.max(last.get(number) ?? 0, Number(sequence)));
  }
  return last;
}
