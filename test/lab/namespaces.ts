import { execFileSync, spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';

/** Network namespaces for tests: real ones, by `ip netns`, named after this process so that suites do not meet. */
export interface LabNamespace {
  readonly name: string;
  /** Runs a Node script inside; resolves with its first message over the channel. It is ended with the namespace. */
  run(script: string, args?: readonly string[]): Promise<LabProcess>;
  remove(): Promise<void>;
}

export interface LabProcess {
  readonly child: ChildProcess;
  readonly firstMessage: unknown;
}

let lastNumber = 0;
const unique = (): string => `pt-${process.pid}-${++lastNumber}`;

/** Why tests with namespaces cannot run here, with what to do about it; undefined where they can. */
export const namespacesMissing: string | undefined = findObstacle();

export const namespacesAvailable = (): boolean => namespacesMissing === undefined;

/** A suite's title that says why it is skipped, where it is. */
export const titleWithNamespaces = (title: string): string =>
  namespacesMissing === undefined ? title : `${title} [skipped: ${namespacesMissing}]`;

function findObstacle(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces need Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root: sudo npm test';
  const name = unique();
  try {
    ip('netns', 'add', name);
    ip('netns', 'del', name);
    return undefined;
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    return isMissing
      ? 'ip is missing: apt-get install iproute2'
      : 'this machine lets nobody make network namespaces: run where `ip netns add` works';
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}

/** A namespace with loopback and the given addresses on it, and no way in or out. */
export function createNamespace(addresses: readonly string[], name = unique()): LabNamespace {
  ip('netns', 'add', name);
  ip('-n', name, 'link', 'set', 'lo', 'up');
  for (const address of addresses) {
    ip('-n', name, 'addr', 'add', `${address}/${address.includes(':') ? 128 : 32}`, 'dev', 'lo');
  }
  const children = new Set<ChildProcess>();
  return {
    name,
    async run(script, args = []) {
      const child = spawn('nsenter', [`--net=/run/netns/${name}`, '--', process.execPath, script, ...args], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        env: {},
      });
      children.add(child);
      child.once('exit', () => children.delete(child));
      const failed = once(child, 'exit').then(([code]) => {
        throw new Error(`${script} ended with ${String(code)} before it was ready`);
      });
      const [firstMessage] = (await Promise.race([once(child, 'message'), failed])) as [unknown];
      failed.catch(() => undefined);
      return { child, firstMessage };
    },
    async remove() {
      await Promise.all(
        [...children].map(async (child) => {
          const ended = once(child, 'exit');
          child.kill('SIGKILL');
          await ended;
        }),
      );
      if (existsSync(`/run/netns/${name}`)) ip('netns', 'del', name);
    },
  };
}

/** A name that no namespace has, until `createNamespace` is given it. */
export const unusedNamespaceName = unique;
