import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ShipperMessage } from '../../src/contract/ipc.ts';
import type { SinkHealth } from '../../src/contract/sinks.ts';
import type { SupervisorToShipper } from '../../src/flow/shipper/messages.ts';
import type { ResolvedSink } from '../../src/flow/sinks/resolved-sink.ts';
import { shipperCommand } from '../../src/supervisor/commands.ts';

const program = fileURLToPath(new URL('../../src/flow/shipper/main.ts', import.meta.url));

/** The real process that delivers records, as the supervisor starts it, to be killed and started again. */
export interface ShipperProcess {
  start(): void;
  readonly pid: number | undefined;
  /** With SIGKILL. */
  kill(): Promise<void>;
  /** What it said last; undefined since it was started and said nothing yet. */
  readonly health: readonly SinkHealth[] | undefined;
  drain(withinMs: number): Promise<void>;
}

export function createShipperProcess(parts: {
  readonly recordDirectories: readonly string[];
  readonly sinkDirectory: string;
  readonly archiveDirectory?: string;
  readonly sinks: readonly ResolvedSink[];
}): ShipperProcess {
  let child: ChildProcess | undefined;
  let health: readonly SinkHealth[] | undefined;
  const send = (message: SupervisorToShipper): void => void child?.send(message);
  return {
    start() {
      health = undefined;
      const { args } = shipperCommand(program, {}, parts.sinks);
      child = fork(program, [], {
        execArgv: args.slice(0, -1),
        serialization: 'advanced',
        stdio: ['ignore', 2, 2, 'ipc'],
      });
      child.on('message', (message: ShipperMessage) => (health = message.sinks));
      send({
        type: 'start',
        name: 'sinks',
        ...parts,
        archiveDirectory: parts.archiveDirectory ?? join(parts.sinkDirectory, 'archive'),
        gateway: 'gateway.example.org',
        retention: { flows: 36_500, security: 36_500, administration: 36_500 },
        domain: 'example.org',
        bootId: 'boot-of-server',
        logLevel: 'error',
      });
    },
    get pid() {
      return child?.pid;
    },
    async kill() {
      if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
    get health() {
      return health;
    },
    async drain(withinMs) {
      if (child === undefined) return;
      const exited = once(child, 'exit');
      send({ type: 'drain', withinMs });
      await exited;
    },
  };
}
