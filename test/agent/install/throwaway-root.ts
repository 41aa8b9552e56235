import { execFile, execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** This Debian system as it is, with a layer over it that takes all changes and is thrown away. Needs root. */
export interface ThrowawayRoot {
  /** Runs a shell script in it; the exit code, and what it wrote to both outputs. */
  run(script: string): Promise<{ readonly code: number; readonly text: string }>;
  /** Starts a program in it that stays up. */
  start(command: readonly string[]): ChildProcess;
  remove(): Promise<void>;
}

const setUp = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/changes" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/changes,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"`;

/** Why there can be none here, with what to do about it. */
export const rootMissing: string | undefined = findObstacle();

function findObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'a Debian package needs Linux';
  if (process.getuid?.() !== 0) return 'a throwaway root needs root: sudo npm test';
  try {
    execFileSync('dpkg-deb', ['--version'], { stdio: 'ignore' });
    execFileSync('systemd-analyze', ['--version'], { stdio: 'ignore' });
    execFileSync('lintian', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'dpkg-deb, systemd or lintian is missing: apt-get install dpkg systemd lintian';
  }
  try {
    execFileSync('unshare', ['--mount', 'sh', '-c', setUp, 'sh', '/mnt'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'no overlay can be mounted: run where `mount -t overlay` works';
  }
}

export async function makeThrowawayRoot(): Promise<ThrowawayRoot> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-root-'));
  const holder = spawn(
    'unshare',
    ['--mount', 'sh', '-c', `${setUp}\necho there\nexec sleep infinity`, 'sh', directory],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(holder.stdout, 'data');
  const inside = ['--target', String(holder.pid), '--mount', 'chroot', join(directory, 'root')];
  const started: ChildProcess[] = [];
  const env = {
    PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    DEBIAN_FRONTEND: 'noninteractive',
  };
  return {
    run: (script) =>
      new Promise((resolve) => {
        execFile('nsenter', [...inside, 'sh', '-c', `exec 2>&1\n${script}`], { env }, (error, text) =>
          resolve({ code: error === null ? 0 : Number(error.code), text }),
        );
      }),
    start: (command) => {
      const child = spawn('nsenter', [...inside, ...command], { env, stdio: ['ignore', 'pipe', 'pipe'] });
      started.push(child);
      return child;
    },
    remove: async () => {
      for (const child of started) child.kill('SIGKILL');
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
      await rm(directory, { recursive: true, force: true });
    },
  };
}
