import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { waitForPort } from './ports.ts';

/** What a benchmark starts, pins, measures and ends; only processes of its own. */

/** Unit of times in /proc/PID/stat. */
export const ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Path of a program, also where only administrators look; undefined when it is not installed. */
export function findProgram(name: string): string | undefined {
  const directories = [
    ...(process.env['PATH'] ?? '').split(delimiter),
    '/usr/sbin',
    '/usr/local/sbin',
    '/sbin',
  ];
  return directories.map((directory) => join(directory, name)).find((path) => existsSync(path));
}

/** Fields of /proc/PID/stat behind the name, which may itself hold blanks and brackets. */
function statFields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/**
 * CPU seconds, user and system, of all threads of these processes so far. As the scheduler counts them, in nanoseconds: what
 * /proc/PID/stat says is in hundredths of a second, a fiftieth of a short round.
 */
export function cpuSeconds(pids: readonly number[]): number {
  let nanoseconds = 0;
  for (const pid of pids)
    for (const thread of readdirSync(`/proc/${pid}/task`))
      nanoseconds += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ', 1)[0]);
  return nanoseconds / 1e9;
}

/** Bytes of memory that these processes hold. */
export function residentBytes(pids: readonly number[]): number {
  let kibibytes = 0;
  for (const pid of pids)
    kibibytes += Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0);
  return kibibytes * 1024;
}

/** Processes below this one, children of children too, whose command line holds `text`. */
export function descendants(ancestor: number, text = ''): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      parents.set(Number(name), Number(statFields(Number(name))[1]));
    } catch {
      // It ended meanwhile.
    }
  }
  const isBelow = (pid: number): boolean => {
    const parent = parents.get(pid);
    return parent === ancestor || (parent !== undefined && parent > 1 && isBelow(parent));
  };
  return [...parents.keys()].filter(
    (pid) => isBelow(pid) && readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(text),
  );
}

/** Binds all threads of running processes to one core. */
export function pin(pids: readonly number[], core: number): void {
  for (const pid of pids)
    execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)], { stdio: 'ignore' });
}

export interface Started {
  readonly pid: number;
  /** Standard output up to the line that was waited for. */
  readonly output: string;
  readonly child: ChildProcess;
  readonly stop: () => Promise<void>;
}

const running = new Set<ChildProcess>();
// However this process ends, what it started ends too.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

/** Starts a program, on one core or on all, and waits until a line of its output matches. Its end before that is an error. */
export async function start(
  core: number | 'all',
  command: readonly string[],
  options: {
    readonly ready?: RegExp;
    readonly env?: NodeJS.ProcessEnv;
    /** Accepts connections when it is up. */
    readonly port?: number;
    readonly ipc?: boolean;
    /** File that standard output goes to. */
    readonly output?: number;
  } = {},
): Promise<Started> {
  const [program = '', ...args] = core === 'all' ? command : ['taskset', '-c', String(core), ...command];
  const child = spawn(program, args, {
    stdio: [
      'ignore',
      options.output ?? (options.ready === undefined ? 'ignore' : 'pipe'),
      'pipe',
      ...(options.ipc === true ? ['ipc' as const] : []),
    ],
    env: options.env ?? process.env,
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  let errors = '';
  child.stderr?.on('data', (chunk: Buffer) => (errors = (errors + chunk.toString('utf8')).slice(-4000)));
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000);
    await ended;
    clearTimeout(timer);
  };
  const ended = new Promise<never>((_, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${command.join(' ')} ended with ${code}: ${errors}`)));
  });
  ended.catch(() => undefined);
  const output = await Promise.race([ended, readUntil(child, options.ready)]);
  if (options.port !== undefined) await Promise.race([ended, waitForPort(options.port)]);
  if (child.pid === undefined) throw new Error(`${command[0]} did not start`);
  return { pid: child.pid, output, child, stop };
}

/** Output up to what is waited for; nothing to wait for is nothing to read. */
function readUntil(child: ChildProcess, ready: RegExp | undefined): Promise<string> {
  return new Promise((resolve) => {
    if (ready === undefined) {
      child.once('spawn', () => resolve(''));
      return;
    }
    let text = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (ready.test(text)) resolve(text);
    });
  });
}

/** Runs a command to its end. @throws with what it wrote when it fails. */
export async function run(command: readonly string[], env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const [program = '', ...args] = command;
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('utf8')));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString('utf8')));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command.join(' ')} ended with ${code}: ${errors}${output}`);
  return output;
}
