import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A script by its path from here, without its ending: as this file is, .ts in a checkout, .js where it was compiled. */
export function scriptBesides(path: string): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return fileURLToPath(new URL(`${path}.${extension}`, import.meta.url));
}

/** The demo runs the commands that an operator and a laptop would, each as a process of its own. */
const programs = {
  postern: scriptBesides('../../main'),
  'postern-agent': scriptBesides('../../../agent/main'),
} as const;
export type Program = keyof typeof programs;

export interface Runner {
  /** Runs a command to its end and returns what it printed. @throws with its last words when it fails. */
  run(program: Program, args: readonly string[]): Promise<string>;
  /** Starts one that stays up; resolves with the line that begins with `ready`. */
  start(
    program: Program,
    args: readonly string[],
  ): Promise<{ readonly ready: string; stop(): Promise<void> }>;
  /** Starts a script of our own behind a prefix such as `nsenter …`; resolves when it prints `ready`. */
  startScript(prefix: readonly string[], script: string, args: readonly string[]): Promise<void>;
  /** Ends all that were started, last first, and waits for them. */
  stopAll(): Promise<void>;
}

const graceMilliseconds = 8000;

export function createRunner(environment: NodeJS.ProcessEnv): Runner {
  const running: ChildProcess[] = [];

  const launch = (command: string, args: readonly string[]): ChildProcess =>
    spawn(command, args, { env: environment, stdio: ['pipe', 'pipe', 'pipe'] });

  async function startUntilReady(name: string, child: ChildProcess): Promise<string> {
    running.push(child);
    const lastWords: string[] = [];
    const keep = (line: string): void => {
      lastWords.push(line);
      if (lastWords.length > 20) lastWords.shift();
    };
    if (child.stdout === null || child.stderr === null) throw new TypeError('the child has no output');
    createInterface({ input: child.stderr }).on('line', keep);
    const lines = createInterface({ input: child.stdout });
    return await new Promise((resolve, reject) => {
      lines.on('line', (line) => {
        keep(line);
        if (line.startsWith('ready')) resolve(line);
      });
      child.once('error', reject);
      child.once('exit', (code, signal) => {
        reject(
          new Error(
            `${name} ended (${signal ?? `exit ${code}`}) before it was ready:\n${lastWords.join('\n')}`,
          ),
        );
      });
    });
  }

  async function stop(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGTERM');
    const impatience = setTimeout(() => child.kill('SIGKILL'), graceMilliseconds);
    await ended;
    clearTimeout(impatience);
  }

  return {
    async run(program, args) {
      const child = launch(process.execPath, [programs[program], ...args]);
      let printed = '';
      let complaints = '';
      child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
      child.stderr?.on('data', (chunk: Buffer) => (complaints += chunk.toString()));
      const [code] = (await once(child, 'close')) as [number | null];
      if (code !== 0)
        throw new Error(`${program} ${args[0]} failed (exit ${code}):\n${complaints}${printed}`);
      return printed;
    },
    async start(program, args) {
      const child = launch(process.execPath, [programs[program], ...args]);
      const ready = await startUntilReady(`${program} ${args[0]}`, child);
      return { ready, stop: () => stop(child) };
    },
    async startScript(prefix, script, args) {
      const [command = process.execPath, ...rest] = [...prefix, process.execPath, script, ...args];
      await startUntilReady(script, launch(command, rest));
    },
    async stopAll() {
      for (const child of running.toReversed()) await stop(child);
    },
  };
}
