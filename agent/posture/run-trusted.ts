import { execFile, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';

const othersMayWrite = 0o022;

/** Where Windows keeps its programs: by default only its installer and administrators write there. */
const windowsPrograms = 'C:\\Windows\\System32\\';

/**
 * Refuses a program that anyone but root could have put there: the file, and every directory above it, must belong to
 * root and be writable by nobody else (CVE-2020-24356, CVE-2024-54131). On Windows, whose owners Node does not show, only
 * programs of the system itself pass.
 */
export async function checkTrusted(
  path: string,
  platform: NodeJS.Platform = process.platform,
): Promise<string> {
  if (platform === 'win32') {
    if (!path.startsWith(windowsPrograms) || path.includes('..'))
      throw new Error(`${path} is no program of the system`);
    return path;
  }
  if (!isAbsolute(path)) throw new TypeError('programs are run by absolute path only');
  const real = await realpath(path);
  for (let part = real; ; part = dirname(part)) {
    const found = await stat(part);
    // A sticky directory of root's is still one where others can put files; none is on a path to a system program.
    if (found.uid !== 0 || (found.mode & othersMayWrite) !== 0)
      throw new Error(`${part} is not root's alone`);
    if (part === dirname(part)) return real;
  }
}

export interface RunOptions {
  /** Whose settings are asked for. Root runs the program as them, and never with more than they have. */
  readonly as?: { readonly uid: number; readonly gid: number };
  readonly environment?: Readonly<Record<string, string>>;
  /** Given to the program's standard input. */
  readonly input?: string;
  /** Of what the program prints; utf8 without it. */
  readonly encoding?: BufferEncoding;
  /** Some programs answer on standard error. */
  readonly withErrors?: boolean;
  readonly timeoutMs?: number;
  /** Whether a command of ours waits for the program before it ends; it does unless told otherwise. */
  readonly holdsProcess?: boolean;
}

const maxOutputBytes = 8 * 1024 * 1024;

/** Output of a trusted program, run without shell, search path or environment. Throws when it fails or takes too long. */
export async function runTrusted(
  path: string,
  args: readonly string[],
  options: RunOptions & { readonly timeoutMs: number },
): Promise<string> {
  const { as, environment, input, timeoutMs, withErrors = false, holdsProcess = true } = options;
  const { encoding = 'utf8' } = options;
  const real = await checkTrusted(path);
  const isOther = as !== undefined && as.uid !== process.geteuid?.();
  return new Promise((resolve, reject) => {
    const child = execFile(
      real,
      [...args],
      {
        env: { LC_ALL: 'C', ...environment },
        encoding,
        cwd: '/',
        maxBuffer: maxOutputBytes,
        windowsHide: true,
        ...(isOther ? as : {}),
      },
      (error, output, errors) => {
        clearTimeout(timer);
        if (error === null) return resolve(withErrors ? `${output}${errors}` : output);
        if (error.killed === true) return reject(new Error(`${path} took too long`));
        const [said = ''] = errors.trim().split('\n');
        const { code } = error;
        reject(new Error(`${path} failed (${String(code)})${said === '' ? '' : `: ${said.slice(0, 120)}`}`));
      },
    );
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs);
    if (!holdsProcess)
      for (const handle of [child, child.stdout, child.stderr, child.stdin, timer]) letGo(handle);
    // It may have ended without reading.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input ?? '');
  });
}

const letGo = (handle: unknown): void => (handle as { unref?: () => void } | null)?.unref?.();

/** A trusted program that runs until the signal aborts, for its standard output. */
export async function spawnTrusted(
  path: string,
  args: readonly string[],
  signal: AbortSignal,
): Promise<ChildProcess> {
  const real = await checkTrusted(path);
  return spawn(real, [...args], {
    env: { LC_ALL: 'C' },
    cwd: '/',
    signal,
    killSignal: 'SIGKILL',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}
