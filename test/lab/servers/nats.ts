import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findFreePort } from '../../../src/control/free-port.ts';
import { keepServer } from './kept-server.ts';
import { spawnWithUs } from '../spawn-with-us.ts';

export const natsMissing =
  spawnSync('nats-server', ['--version']).status === 0 ? '' : ' (skipped: apt-get install nats-server)';

/** A real nats-server with JetStream on a free port of loopback. */
export interface NatsServer {
  readonly port: number;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** `config`: lines of its configuration beside listener and JetStream. */
export async function startNats(config = ''): Promise<NatsServer> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-nats-'));
  const port = await findFreePort('127.0.0.1');
  const file = join(directory, 'nats.conf');
  writeFileSync(file, `listen: 127.0.0.1:${port}\njetstream { store_dir: "${directory}/data" }\n${config}\n`);
  const server = keepServer(port, () => spawnWithUs('nats-server', ['-c', file], { stdio: 'ignore' }));
  await server.start();
  return {
    port,
    kill: server.kill,
    restart: server.start,
    async stop() {
      await server.kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
