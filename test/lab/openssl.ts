import { spawnSync } from 'node:child_process';

/** The command of OpenSSL, as people outside use it. */
export const hasOpenssl = spawnSync('openssl', ['version']).status === 0;
export const opensslHint = hasOpenssl ? '' : ' (skipped: apt-get install openssl)';

export interface OpensslRun {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export function openssl(args: readonly string[], input?: string | Buffer): OpensslRun {
  const run = spawnSync('openssl', args, { ...(input === undefined ? {} : { input }), encoding: 'utf8' });
  return { code: run.status, out: run.stdout, err: run.stderr };
}
