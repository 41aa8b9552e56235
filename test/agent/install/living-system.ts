import { execFile, execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { createNamespace, namespacesMissing } from '../../lab/namespaces.ts';

/**
 * This Debian system under a systemd of its own, as a laptop: its files with a layer over them that takes all changes and
 * is thrown away, its own processes and network. Services of this machine are not started in it. Needs root.
 */
export interface LivingSystem {
  /** Of this side of its one cable; it has the next one. */
  readonly address: string;
  /** Runs a shell script in it; the exit code, and what it wrote to both outputs. */
  run(script: string): Promise<{ readonly code: number; readonly text: string }>;
  /** The same of one that has to succeed. @throws with what it said. */
  shell(script: string): Promise<string>;
  /** Shuts it down in order and starts it again. */
  reboot(): Promise<void>;
  remove(): Promise<void>;
}

const layers = `set -e
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir changes work root cgroup
mount -t overlay overlay -o "lowerdir=/,upperdir=changes,workdir=work" root
mount -t cgroup2 cgroup2 cgroup
mkdir "cgroup/$2"
# What this machine itself starts is not the matter, nor is its policy of starting nothing.
rm -rf root/etc/systemd/system/*.wants root/etc/rc?.d root/usr/sbin/policy-rc.d
umount root`;

/** What systemd expects of a container (https://systemd.io/CONTAINER_INTERFACE); settings of the kernel are read only. */
const boot = `set -e
echo $$ > "$1/cgroup/$2/cgroup.procs"
exec nsenter "--net=/run/netns/$3" setpriv --pdeathsig KILL unshare --mount --pid --uts --ipc --cgroup --fork --kill-child sh -c '
set -e
cd "$1"
mount -t overlay overlay -o lowerdir=/,upperdir=changes,workdir=work root
cd root
mount -t proc proc proc
mount --bind -o ro proc/sys proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for node in null zero full random urandom tty; do touch dev/$node; mount --bind /dev/$node dev/$node; done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs tmpfs tmp
while [ $# -gt 1 ]; do
  mkdir -p "./$2"
  mount --bind -o ro "$2" "./$2"
  shift
done
exec env -i container=postern PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /lib/systemd/systemd
' sh "$1" "$4" "$5"`;

/** Why there can be none here, with what to do about it. */
export const livingSystemMissing: string | undefined = namespacesMissing ?? findObstacle();

function findObstacle(): string | undefined {
  const programs = ['dpkg-deb', 'systemctl', 'lintian', 'nft'];
  const missing = programs.filter((program) => {
    try {
      return execFileSync('which', [program], { encoding: 'utf8' }) === '';
    } catch {
      return true;
    }
  });
  if (missing.length > 0)
    return `${missing.join(', ')} missing: apt-get install dpkg systemd lintian nftables`;
  try {
    execFileSync('unshare', ['--mount', 'sh', '-c', layers, 'sh', '/mnt', `postern-probe-${process.pid}`]);
    execFileSync('unshare', [
      '--mount',
      'sh',
      '-c',
      'mount -t cgroup2 cgroup2 /mnt && rmdir "/mnt/$1"',
      'sh',
      `postern-probe-${process.pid}`,
    ]);
    return undefined;
  } catch {
    return 'no overlay or no cgroup2 can be mounted: run where `mount -t overlay` and `mount -t cgroup2` work';
  }
}

/** The two directories are to be found in it, where they are here, to be read. */
export async function bootLivingSystem(shared: readonly [string, string]): Promise<LivingSystem> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-system-'));
  const network = createNamespace([]);
  const cable = `ps${process.pid}`;
  const group = `postern-${process.pid}`;
  const subnet = `10.98.${process.pid % 250}`;
  const [address, ownAddress] = [`${subnet}.1`, `${subnet}.2`];
  const ip = (...args: string[]): void => void execFileSync('ip', args);
  ip('link', 'add', cable, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', network.name);
  ip('addr', 'add', `${address}/24`, 'dev', cable);
  ip('link', 'set', cable, 'up');
  ip('-n', network.name, 'addr', 'add', `${ownAddress}/24`, 'dev', 'eth0');
  ip('-n', network.name, 'link', 'set', 'eth0', 'up');
  // Should this process be killed, they go with it.
  const holder = spawn(
    'setpriv',
    [
      '--pdeathsig',
      'KILL',
      'unshare',
      '--mount',
      'sh',
      '-c',
      `${layers}\necho there\nexec sleep infinity`,
      'sh',
      directory,
      group,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  await once(holder.stdout, 'data');
  const inHolder = ['--target', String(holder.pid), '--mount', '--'];
  let system: ChildProcess;
  let init = '';

  const run: LivingSystem['run'] = (script) =>
    new Promise((resolve) => {
      const spaces = ['--mount', '--pid', '--uts', '--ipc', '--net', '--cgroup', '--root'];
      const env = { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' };
      execFile(
        'nsenter',
        ['--target', init, ...spaces, '--', 'sh', '-c', `exec 2>&1\ncd /\n${script}`],
        { env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } },
        (error, text) => resolve({ code: error === null ? 0 : Number(error.code), text }),
      );
    });
  const start = async (): Promise<void> => {
    const args = ['sh', '-c', boot, 'sh', directory, group, network.name, ...shared];
    system = spawn('nsenter', [...inHolder, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    await vi.waitFor(
      async () => {
        // Each program on the way takes the place of the one before, so the only child is systemd.
        init = readFileSync(`/proc/${system.pid}/task/${system.pid}/children`, 'utf8').trim();
        const { text } = await run('systemctl is-system-running --wait');
        if (!/^(running|degraded)$/m.test(text)) throw new Error(`not running yet: ${text}`);
      },
      { timeout: 60_000, interval: 100 },
    );
  };
  const end = async (): Promise<void> => {
    if (system.exitCode === null && system.signalCode === null) await once(system, 'exit');
  };
  await start();
  return {
    address,
    run,
    shell: async (script) => {
      const { code, text } = await run(script);
      if (code !== 0) throw new Error(`${script}\nended with ${code}: ${text}`);
      return text;
    },
    reboot: async () => {
      await run('systemctl poweroff');
      await end();
      await start();
    },
    remove: async () => {
      system.kill('SIGKILL');
      await end();
      // The kernel lets a group go a moment after its last process.
      const groups = [
        'find',
        join(directory, 'cgroup', group),
        '-depth',
        '-type',
        'd',
        '-exec',
        'rmdir',
        '{}',
        '+',
      ];
      await vi.waitFor(
        () => execFileSync('nsenter', [...inHolder, ...groups], { stdio: ['ignore', 'ignore', 'pipe'] }),
        { timeout: 30_000, interval: 100 },
      );
      const ended = once(holder, 'exit');
      holder.kill('SIGKILL');
      await ended;
      await network.remove();
      await rm(directory, { recursive: true, force: true });
    },
  };
}
