import { spawn, spawnSync } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { findFreePort } from '../../../src/control/free-port.ts';

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
  let child: ChildProcess;
  const start = async (): Promise<void> => {
    child = spawn('nats-server', ['-c', file], { stdio: 'ignore' });
    while (!(await accepts(port))) {
      if (child.exitCode !== null) throw new Error(`nats-server ended with ${child.exitCode}`);
      await pause(20);
    }
  };
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  };
  await start();
  return {
    port,
    kill,
    restart: start,
    async stop() {
      await kill();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
