import { execFile, spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';

/**
 * Network namespaces that live and die with the demo: made inside a mount namespace of its own with a private /run,
 * so that nothing is left behind whatever ends it, and nobody else's namespaces are in sight.
 * `unshare --net=FILE` rather than `ip netns add`, which an ordinary user's namespace may not do.
 */
const runCommand = promisify(execFile);
const privileges =
  process.getuid?.() === 0 ? [[], ['--user', '--map-root-user']] : [['--user', '--map-root-user']];

/** The arguments of `unshare` with which this machine lets us make namespaces, or undefined when it does not. */
export async function findNamespaceSupport(): Promise<readonly string[] | undefined> {
  if (process.platform !== 'linux') return undefined;
  const probe = 'mount -t tmpfs tmpfs /run && unshare --net ip link set lo up';
  for (const privilege of privileges) {
    const args = [...privilege, '--mount'];
    try {
      await runCommand('unshare', [...args, 'sh', '-c', probe]);
      return args;
    } catch {
      // Not this way; the next one or none.
    }
  }
  return undefined;
}

/** Runs this very command again inside namespaces; resolves with its exit code. Signals are passed on to it. */
export async function runInsideNamespaces(
  unshareArguments: readonly string[],
  args: readonly string[],
): Promise<number> {
  const child = spawn('unshare', [...unshareArguments, process.execPath, ...args], {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, [insideMark]: '1' },
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal));
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => resolve(code ?? 1));
  });
}

const insideMark = 'POSTERN_DEMO_INSIDE';
export const isInsideNamespaces = (): boolean => process.env[insideMark] === '1';

/** Makes one namespace with one address, without any route in or out. Only inside the demo's own mount namespace. */
export async function createPrivateNetwork(name: string, address: string): Promise<void> {
  await mkdir('/run/netns', { recursive: true });
  const file = `/run/netns/${name}`;
  await writeFile(file, '');
  await runCommand('unshare', [`--net=${file}`, 'true']);
  for (const args of [
    ['link', 'set', 'lo', 'up'],
    ['addr', 'add', `${address}/32`, 'dev', 'lo'],
  ]) {
    await runCommand('nsenter', [`--net=${file}`, 'ip', ...args]);
  }
}

export async function hideRunDirectory(): Promise<void> {
  await runCommand('mount', ['-t', 'tmpfs', 'tmpfs', '/run']);
}

export const insidePrivateNetwork = (name: string): readonly string[] => [
  'nsenter',
  `--net=/run/netns/${name}`,
];
