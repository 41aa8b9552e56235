import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { keepServer } from './kept-server.ts';
import { spawnWithUs } from '../spawn-with-us.ts';

export const hasRedis = spawnSync('redis-server', ['--version']).status === 0;
/** Stands behind a suite's title where the program is missing. */
export const redisHint = hasRedis ? '' : ' (skipped: apt-get install redis-server)';

/** A real redis-server on a free port of loopback, in a directory of its own. */
export interface RedisServer {
  readonly port: number;
  readonly directory: string;
  /** redis-cli with the arguments; its output without the last line feed. */
  cli(...args: readonly string[]): string;
  /** Freezes and thaws the process, as a machine does that hangs. */
  freeze(): void;
  thaw(): void;
  /** As a power cut would. */
  kill(): Promise<void>;
  /** Starts again what was killed, on the same port and data. */
  restart(): Promise<void>;
  /** Ends it and removes its directory. */
  stop(): Promise<void>;
}

export interface RedisServerOptions {
  /** Lines of redis.conf. */
  readonly settings?: readonly string[];
  readonly sentinel?: boolean;
  readonly tls?: { readonly certificatePem: string; readonly keyPem: string; readonly caPem: string };
  /** How redis-cli of the tests proves who it is. */
  readonly cliArgs?: readonly string[];
  readonly port?: number;
  /** The settings say everything but the directory; `port` is the one that they name. */
  readonly bare?: boolean;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const port = options.port ?? (await freePort());
  const directory = mkdtempSync(join(tmpdir(), 'postern-redis-'));
  const file = (name: string): string => join(directory, name);
  const { tls } = options;
  if (tls !== undefined) {
    writeFileSync(file('tls.crt'), tls.certificatePem);
    writeFileSync(file('tls.key'), tls.keyPem, { mode: 0o600 });
    writeFileSync(file('ca.crt'), tls.caPem);
  }
  const listen =
    tls === undefined
      ? [`port ${port}`]
      : [
          'port 0',
          `tls-port ${port}`,
          `tls-cert-file ${file('tls.crt')}`,
          `tls-key-file ${file('tls.key')}`,
          `tls-ca-cert-file ${file('ca.crt')}`,
          'tls-auth-clients no',
        ];
  const settings = [
    ...(options.bare === true ? [] : ['bind 127.0.0.1', ...listen]),
    `dir ${directory}`,
    ...(options.sentinel === true || options.bare === true ? [] : ['save ""']),
    ...(options.settings ?? []),
  ];
  writeFileSync(file('redis.conf'), `${settings.join('\n')}\n`);

  const mode = options.sentinel === true ? ['--sentinel'] : [];
  const server = keepServer(port, () =>
    spawnWithUs('redis-server', [file('redis.conf'), ...mode], { stdio: ['ignore', 'pipe', 'inherit'] }),
  );
  await server.start();
  return {
    port,
    directory,
    cli(...args) {
      const encrypted = tls === undefined ? [] : ['--tls', '--cacert', file('ca.crt')];
      const common = ['-h', '127.0.0.1', '-p', String(port), ...encrypted, ...(options.cliArgs ?? [])];
      const { stdout, stderr } = spawnSync('redis-cli', [...common, ...args], { encoding: 'utf8' });
      return `${stdout}${stderr}`.trimEnd();
    },
    freeze: () => server.signal('SIGSTOP'),
    thaw: () => server.signal('SIGCONT'),
    kill: server.kill,
    restart: server.start,
    async stop() {
      await server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

/** Masters without replicas, each with a third of the slots. */
export async function startRedisCluster(): Promise<{
  readonly servers: readonly RedisServer[];
  stop(): Promise<void>;
}> {
  const servers: RedisServer[] = [];
  for (let i = 0; i < 3; i += 1)
    servers.push(
      await startRedis({
        settings: ['cluster-enabled yes', `cluster-port ${await freePort()}`, 'cluster-node-timeout 2000'],
      }),
    );
  const nodes = servers.map(({ port }) => `127.0.0.1:${port}`);
  const made = servers[0]?.cli('--cluster', 'create', ...nodes, '--cluster-replicas', '0', '--cluster-yes');
  const stop = async (): Promise<void> => {
    for (const server of servers) await server.stop();
  };
  if (made === undefined || !made.includes('All 16384 slots covered')) {
    await stop();
    throw new Error(`no cluster: ${made}`);
  }
  for (const server of servers)
    while (!server.cli('cluster', 'info').includes('cluster_state:ok')) await pause(50);
  return { servers, stop };
}
