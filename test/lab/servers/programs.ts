import { execFileSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { findFreePort } from '../../../src/control/free-port.ts';
import { accepts } from './kept-server.ts';
import { spawnWithUs } from '../spawn-with-us.ts';

/** A server of a test's own: a free port of loopback, and a directory that goes with it. */
export interface LabProgram {
  readonly port: number;
  readonly directory: string;
  stop(): Promise<void>;
}

const postgresPrograms = globSync('/usr/lib/postgresql/*/bin').sort().at(-1) ?? '/usr/lib/postgresql/bin';

const needed: Readonly<Record<string, string>> = {
  '/usr/sbin/sshd': 'openssh-server',
  '/usr/bin/ssh': 'openssh-client',
  '/usr/bin/git': 'git',
  '/usr/bin/nc': 'netcat-openbsd',
  '/usr/bin/psql': 'postgresql',
  [`${postgresPrograms}/initdb`]: 'postgresql',
  '/usr/bin/redis-server': 'redis-server',
  '/usr/bin/redis-cli': 'redis-tools',
  '/usr/bin/chromium': 'chromium',
  '/usr/bin/certutil': 'libnss3-tools',
  '/usr/bin/curl': 'curl',
  '/usr/bin/openssl': 'openssl',
  '/usr/bin/unshare': 'util-linux',
};

/** Why programs cannot be tried here, with what to do about it; empty where they can. */
export const programsMissing = (): string => {
  const packages = Object.entries(needed).flatMap(([path, name]) => (existsSync(path) ? [] : [name]));
  if (packages.length > 0) return `apt-get install ${[...new Set(packages)].join(' ')}`;
  return process.getuid?.() === 0 ? '' : 'needs root, for a resolv.conf of its own: sudo npm test';
};

async function launch(
  directory: string,
  port: number,
  program: string,
  args: readonly string[],
): Promise<LabProgram> {
  const child: ChildProcess = spawnWithUs(program, args, { stdio: 'ignore', cwd: directory });
  let failed: string | undefined;
  child.once('error', (error) => (failed = error.message));
  child.once('exit', (code) => (failed = `ended with ${String(code)}`));
  for (;;) {
    if (failed !== undefined) throw new Error(`${program} ${failed}`);
    if (await accepts(port)) break;
    // Not listening yet, and there is nothing to be told by.
    await pause(50);
  }
  return {
    port,
    directory,
    stop: async () => {
      const exited = once(child, 'exit');
      if (child.exitCode === null) {
        child.kill('SIGKILL');
        await exited;
      }
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** sshd for the user of this process and the key in `directory/key`. */
export async function startSshd(): Promise<LabProgram> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-sshd-'));
  const port = await findFreePort('127.0.0.1');
  for (const name of ['host', 'key'])
    execFileSync('/usr/bin/ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, name)]);
  await mkdir('/run/sshd', { recursive: true });
  await writeFile(
    join(directory, 'config'),
    [
      'ListenAddress 127.0.0.1',
      `Port ${port}`,
      `HostKey ${directory}/host`,
      `AuthorizedKeysFile ${directory}/key.pub`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      `PidFile ${directory}/pid`,
    ].join('\n'),
  );
  return launch(directory, port, '/usr/sbin/sshd', ['-D', '-e', '-f', join(directory, 'config')]);
}

/** PostgreSQL with the role and database `alice`, which trusts whoever reaches it, with TLS or without. */
export async function startPostgres(): Promise<LabProgram> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-postgres-'));
  const port = await findFreePort('127.0.0.1');
  // It refuses to run as root.
  const [uid, gid] = ['-u', '-g'].map((what) =>
    Number(execFileSync('/usr/bin/id', [what, 'postgres'], { encoding: 'utf8' })),
  );
  await chown(directory, uid ?? 0, gid ?? 0);
  const as = ['--reuid', 'postgres', '--regid', 'postgres', '--clear-groups', '--'];
  const data = join(directory, 'data');
  const make = [`${postgresPrograms}/initdb`, '-D', data, '-U', 'alice', '-A', 'trust', '--no-sync'];
  execFileSync('/usr/bin/setpriv', [...as, ...make, '--no-instructions'], {
    stdio: 'ignore',
    cwd: directory,
  });
  const key = join(directory, 'key.pem');
  const certificate = join(directory, 'certificate.pem');
  const request = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const subject = ['-subj', '/CN=ledger', '-keyout', key, '-out', certificate];
  execFileSync('/usr/bin/setpriv', [...as, '/usr/bin/openssl', ...request, ...subject], { stdio: 'ignore' });
  const serve = [
    `${postgresPrograms}/postgres`,
    '-D',
    data,
    '-p',
    String(port),
    '-h',
    '127.0.0.1',
    '-k',
    '',
    '-F',
    ...['ssl=on', `ssl_cert_file=${certificate}`, `ssl_key_file=${key}`].flatMap((one) => ['-c', one]),
  ];
  return launch(directory, port, '/usr/bin/setpriv', [...as, ...serve]);
}

export async function startRedis(): Promise<LabProgram> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-redis-'));
  const port = await findFreePort('127.0.0.1');
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', ''];
  return launch(directory, port, '/usr/bin/redis-server', [...settings, '--dir', directory]);
}

export const ownName = userInfo().username;
