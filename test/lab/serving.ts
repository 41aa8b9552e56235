import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnWithUs } from './spawn-with-us.ts';

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A real `postern serve`, ready. */
export interface Serving {
  readonly line: string;
  readonly pid: number;
  /** Of `gateway`, `control` or `operator`, as its line says. */
  portOf(listener: string): number;
  readyz(): Promise<{ status: number; body: unknown }>;
  metric(name: string): Promise<number>;
  /** All that its processes logged so far. */
  logged(): string;
  /** With SIGTERM, at which it drains. @returns its exit code */
  stop(): Promise<number | null>;
  /** With all its children, as a power cut would. */
  kill(): Promise<void>;
  /** They keep what they have open and do nothing any more, as a machine does that lost its disk. */
  freeze(): void;
}

const running = new Set<number>();
// However this process ends, what it started ends too: a group of its own hears of no signal to this one.
process.on('exit', () => {
  for (const pid of running) killGroup(pid);
});

function killGroup(leader: number): void {
  try {
    process.kill(-leader, 'SIGKILL');
  } catch {
    // All of it is gone already.
  }
}

/** @throws with what it said and its exit code where it does not become ready. */
export async function startServing(
  configFile: string,
  role: 'all' | 'gateway' | 'control',
): Promise<Serving> {
  const args = [program, 'serve', '--config', configFile, '--role', role, '--workers', '1'];
  const child = spawnWithUs(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  const { pid } = child;
  if (pid !== undefined) running.add(pid);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const exit = once(child, 'exit') as Promise<[number | null]>;
  child.once('exit', () => pid !== undefined && running.delete(pid));
  const [line] = (await Promise.race([
    once(createInterface({ input: child.stdout }), 'line'),
    exit.then(([code]) => Promise.reject(new Error(`ended with ${code}: ${errors}`))),
  ])) as [string];
  const portOf = (what: string): number => Number(new RegExp(`${what}=\\S+?:(\\d+)(?: |$)`).exec(line)?.[1]);
  const operator = (path: string): Promise<Response> =>
    fetch(`http://127.0.0.1:${portOf('operator')}${path}`);
  return {
    line,
    pid: pid ?? 0,
    portOf,
    async readyz() {
      const answer = await operator('/readyz');
      return { status: answer.status, body: await answer.json() };
    },
    async metric(name) {
      const text = await (await operator('/metrics')).text();
      return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
    },
    logged: () => errors,
    freeze() {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGSTOP');
    },
    async stop() {
      child.kill('SIGTERM');
      return (await exit)[0];
    },
    async kill() {
      // The group is the server's own: its children are in it and nobody else.
      if (child.exitCode === null && child.signalCode === null && child.pid !== undefined)
        process.kill(-child.pid, 'SIGKILL');
      await exit;
    },
  };
}
