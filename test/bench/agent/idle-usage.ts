import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { cpuSeconds, descendants, ticksPerSecond } from '../support/processes.ts';

/** What a process that has nothing to do costs. */
export interface IdleUsage {
  /** Pages of the process in memory, those that it shares with others too. */
  readonly residentBytes: number;
  /** The same, each shared page divided by those who share it. */
  readonly proportionalBytes: number;
  /** What it wrote: memory that nothing else can have meanwhile. */
  readonly privateDirtyBytes: number;
  /** Of one core, over the time of the look; programs that it ran and that ended are counted. */
  readonly cpuFraction: number;
  /** Times a second that one of its threads went to sleep, so was awake before. */
  readonly wakeUpsPerSecond: number;
}

const kibibytesOf = (text: string, field: string): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1]);

/** Seconds of CPU, user and system, of a process and of all that it started and waited for. */
function cpuSecondsWithChildren(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0) / ticksPerSecond;
}

const wakeUps = (pid: number): number =>
  readdirSync(`/proc/${pid}/task`)
    .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/status`, 'latin1'))
    .reduce((sum, status) => sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1]), 0);

/** Waits until what a start and each hour bring, such as a look for updates, is done: two seconds with hardly any work. */
export async function settle(pid: number): Promise<void> {
  const spent = (): number => cpuSecondsWithChildren(pid) + cpuSeconds(descendants(pid));
  for (let before = -1, now = spent(); Math.abs(now - before) > 0.05; now = spent()) {
    before = now;
    await delay(2000);
  }
}

/** Looks at a process for a while. */
export async function measureIdle(pid: number, seconds: number): Promise<IdleUsage> {
  const before = { at: performance.now(), cpu: cpuSecondsWithChildren(pid), wakeUps: wakeUps(pid) };
  await delay(seconds * 1000);
  const elapsed = (performance.now() - before.at) / 1000;
  const memory = readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  return {
    residentBytes: kibibytesOf(memory, 'Rss') * 1024,
    proportionalBytes: kibibytesOf(memory, 'Pss') * 1024,
    privateDirtyBytes: kibibytesOf(memory, 'Private_Dirty') * 1024,
    cpuFraction: (cpuSecondsWithChildren(pid) - before.cpu) / elapsed,
    wakeUpsPerSecond: (wakeUps(pid) - before.wakeUps) / elapsed,
  };
}
