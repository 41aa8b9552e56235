import { randomUUID } from 'node:crypto';
import type { NetworkRegistration, WorkerMessage } from '../contract/ipc.ts';
import type { BackoffTimes } from './backoff.ts';
import { connectorCommand, controlCommand, ownPrograms, workerCommand } from './commands.ts';
import type { Programs, RunAs } from './commands.ts';
import { createConnectorPool } from './connector-pool.ts';
import { createControlKeeper } from './control-keeper.ts';
import { createDialRelay } from './relay-dial.ts';
import type { SupervisorLog } from './log.ts';
import { createShippers } from './shippers.ts';
import type { Shipping } from './shippers.ts';
import { createWorkers } from './workers.ts';
import type { RunningWorker } from './workers.ts';

/** Where a server can be reached, once all of it can. */
export interface ServerReady {
  readonly gatewayPort: number | undefined;
  readonly controlPort: number | undefined;
  readonly operatorPort: number;
  readonly workers: number;
}

/** How a server ended: 0 drained, 1 failed or cut short, 2 something that a person has to mend, as `detail` says. */
export interface ServerEnd {
  readonly code: 0 | 1 | 2;
  readonly detail?: string;
}

export interface SupervisorOptions {
  readonly configFile: string;
  readonly role: 'all' | 'gateway' | 'control';
  /** How many; none in the role `control`. */
  readonly workers: number;
  readonly passphrase: string | undefined;
  readonly dialTimeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly log: SupervisorLog;
  readonly onReady: (ready: ServerReady) => void;
  /** The processes that deliver records; none without. */
  readonly shipping?: Shipping;
  readonly gatewayPort?: number;
  readonly runAs?: RunAs;
  readonly programs?: Programs;
  readonly environment?: NodeJS.ProcessEnv;
  readonly backoff?: BackoffTimes;
  readonly connectorIdleMs?: number;
  /** Up to so many networks all have a connector, asked for or not. */
  readonly connectorsAlwaysUpTo?: number;
}

export interface Supervisor {
  /** Ends what runs in order: workers, connectors, control process. A second time it cuts what is left. */
  stop(): void;
  readonly ended: Promise<ServerEnd>;
}

const controlDrainMs = 10_000;
/** For the records of the last flows; what a slow receiver does not take in it comes after the next start. */
const shipperDrainMs = 5000;

/**
 * Starts a server's processes and keeps them running. It holds the privileges, so that it does the least: it reads
 * nothing of the network, passes messages on unread, and hands sockets from connectors to the workers that asked.
 */
export function startSupervisor(options: SupervisorOptions): Supervisor {
  const { log, role, backoff, environment = process.env, programs = ownPrograms } = options;
  const count = role === 'control' ? 0 : options.workers;
  const { promise: ended, resolve: resolveEnd } = Promise.withResolvers<ServerEnd>();
  const tuning = backoff === undefined ? {} : { backoff };
  const bootId = randomUUID();
  let phase: 'running' | 'draining' | 'cut' = 'running';
  let controlReady: { controlPort: number | undefined; operatorPort: number } | undefined;
  let gatewayPort = options.gatewayPort;
  let isAnnounced = false;

  const connectors = createConnectorPool({
    ...tuning,
    log,
    dialTimeoutMs: options.dialTimeoutMs,
    ...(options.connectorIdleMs === undefined ? {} : { idleAfterMs: options.connectorIdleMs }),
    ...(options.connectorsAlwaysUpTo === undefined ? {} : { alwaysUpTo: options.connectorsAlwaysUpTo }),
    command: (registration: NetworkRegistration) =>
      connectorCommand(programs.connector, registration, environment, options.runAs),
  });

  const announce = (): void => {
    const readyWorkers = [...workers.running.values()].filter(({ port }) => port !== undefined).length;
    if (isAnnounced || phase !== 'running' || controlReady === undefined || readyWorkers < count) return;
    isAnnounced = true;
    options.onReady({ gatewayPort: count === 0 ? undefined : gatewayPort, ...controlReady, workers: count });
  };

  const onWorkerMessage = (worker: RunningWorker, message: WorkerMessage): void => {
    switch (message.type) {
      case 'ready':
        gatewayPort ??= message.port;
        control.workerReady(worker);
        return announce();
      case 'dial':
        return relay.dial(worker.number, message);
      case 'for-control':
        return control.fromWorker(worker, message.message);
    }
  };

  const workers = createWorkers({
    ...tuning,
    count,
    log,
    command: workerCommand(programs.worker, environment, options.runAs),
    onMessage: onWorkerMessage,
    onGone: (worker) => {
      relay.forget(worker.number);
      control.workerGone(worker);
    },
    onHopeless: (detail) => giveUp(1, detail),
  });

  const relay = createDialRelay(connectors, workers);

  const control = createControlKeeper({
    ...tuning,
    log,
    command: controlCommand(programs.control, environment),
    start: { configFile: options.configFile, bootId, role, passphrase: options.passphrase },
    gatewayPort: () => gatewayPort,
    workers: () => workers.running.values(),
    onReady: ({ controlPort, operatorPort }) => {
      // Not before: one that finds its ports taken has a server beside it, whose places in the records these would move.
      if (controlReady === undefined && phase === 'running') shippers?.start();
      controlReady = { controlPort, operatorPort };
      announce();
    },
    onMessage: (message) => {
      if (message.type === 'networks') connectors.setNetworks(message.networks);
      else if (message.worker === 'all')
        workers.sendToAll({ type: 'from-control', message: message.message });
      else workers.send(message.worker, { type: 'from-control', message: message.message });
    },
    onHopeless: giveUp,
  });

  const shippers =
    options.shipping === undefined
      ? undefined
      : createShippers(options.shipping, {
          ...tuning,
          program: programs.shipper,
          environment,
          bootId,
          log,
          onHealth: (sinks) => control.sinkHealth({ type: 'sink-health', sinks }),
        });

  function cut(): void {
    workers.kill();
    shippers?.kill();
    control.kill();
  }

  function giveUp(code: 1 | 2, detail: string): void {
    if (phase === 'cut') return;
    phase = 'cut';
    log.error({ detail }, 'server cannot start');
    cut();
    connectors.close().then(() => resolveEnd({ code, detail }), reportFailure);
  }

  async function drain(): Promise<void> {
    // Workers first, which still dial for what they carry; the control process last, which signs and records until then.
    await workers.drain(options.drainTimeoutMs);
    await connectors.close();
    await shippers?.drain('sinks', shipperDrainMs);
    await control.drain(controlDrainMs);
    // Of nobody else's records: it has what that one recorded last.
    await shippers?.drain('access-sinks', shipperDrainMs);
    resolveEnd(phase === 'cut' ? { code: 1, detail: 'ended before all flows were' } : { code: 0 });
  }

  const reportFailure = (error: unknown): void => resolveEnd({ code: 1, detail: String(error) });

  control.start();
  workers.start();
  return {
    ended,
    stop() {
      if (phase === 'running') {
        phase = 'draining';
        log.info({}, 'draining');
        drain().catch(reportFailure);
      } else if (phase === 'draining') {
        phase = 'cut';
        log.warn({}, 'ending at once');
        cut();
      }
    },
  };
}
