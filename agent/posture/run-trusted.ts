import { execFile } from 'node:child_process';
import { realpath, stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';

const othersMayWrite = 0o022;

/**
 * Refuses a program that anyone but root could have put there: the file, and every directory above it, must belong to
 * root and be writable by nobody else (CVE-2020-24356, CVE-2024-54131).
 */
export async function checkTrusted(path: string): Promise<string> {
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

/** Output of a trusted program, run without shell, search path or environment. Throws when it fails or takes too long. */
export async function runTrusted(path: string, args: readonly string[], timeoutMs: number): Promise<string> {
  const real = await checkTrusted(path);
  return new Promise((resolve, reject) => {
    execFile(
      real,
      [...args],
      {
        env: { LC_ALL: 'C' },
        cwd: '/',
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: 8 * 1024 * 1024,
      },
      (error, output) => (error === null ? resolve(output) : reject(error)),
    );
  });
}
