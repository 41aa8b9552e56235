import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
/** Each source is compiled once, and not by each of the hundreds of processes that these suites start. */
const compiled = fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url));

export interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** The command as a process of its own, as a person's shell would start it; nothing of this machine's context. */
export function runPostern(
  args: readonly string[],
  options: {
    readonly env?: Record<string, string>;
    readonly stdin?: string;
    /** Nobody reads what it prints, as when `head` has seen enough. */
    readonly isUnread?: boolean;
  } = {},
): Promise<Run> {
  const { POSTERN_SERVER: _s, POSTERN_API_KEY: _k, POSTERN_CA: _c, ...environment } = process.env;
  const child = spawn(process.execPath, [program, ...args], {
    env: {
      ...environment,
      NODE_COMPILE_CACHE: compiled,
      POSTERN_CONTEXT: '/nonexistent/context.yaml',
      ...options.env,
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  if (options.isUnread === true) child.stdout.destroy();
  child.stdin.end(options.stdin ?? '');
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, out, err }));
  });
}
