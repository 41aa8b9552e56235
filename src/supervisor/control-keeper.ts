import type {
  ControlMessage,
  ShipperMessage,
  SupervisorToControl,
  WorkerToControl,
} from '../contract/ipc.ts';
import { createBackoff, usualBackoff } from './backoff.ts';
import type { BackoffTimes } from './backoff.ts';
import { startChild } from './child.ts';
import type { Child, Command } from './child.ts';
import type { SupervisorLog } from './log.ts';
import type { RunningWorker } from './workers.ts';

/** The control process, started again when it dies, while workers go on with what they know. */
export interface ControlKeeper {
  start(): void;
  /** Relays a worker's message; while there is no control process it waits for the next. */
  fromWorker(worker: RunningWorker, message: WorkerToControl): void;
  workerReady(worker: RunningWorker): void;
  workerGone(worker: RunningWorker): void;
  /** Passed on where there is a control process; the next tells the same and more. */
  sinkHealth(message: ShipperMessage): void;
  /** Tells it to end, and kills it after a while. Resolves when it is gone. */
  drain(timeoutMs: number): Promise<void>;
  kill(): void;
}

type StartMessage = Extract<SupervisorToControl, { type: 'start' }>;
type Ready = Extract<ControlMessage, { type: 'ready' }>;

export interface ControlKeeperParts {
  readonly command: Command;
  readonly log: SupervisorLog;
  readonly start: Pick<StartMessage, 'configFile' | 'bootId' | 'role' | 'passphrase'>;
  /** The port of the workers' listener, when it is known. */
  readonly gatewayPort: () => number | undefined;
  readonly workers: () => Iterable<RunningWorker>;
  readonly onReady: (ready: Ready) => void;
  readonly onMessage: (message: Extract<ControlMessage, { type: 'networks' | 'for-worker' }>) => void;
  /** It could not start in the first place, and to try again would not help. */
  readonly onHopeless: (code: 1 | 2, detail: string) => void;
  readonly backoff?: BackoffTimes;
}

const hopelessAfter = 5;
/** Messages of workers that wait for a control process; the oldest make room, and whoever asked asks again. */
const maxWaiting = 10_000;

export function createControlKeeper(parts: ControlKeeperParts): ControlKeeper {
  const { log } = parts;
  const backoff = createBackoff(parts.backoff ?? usualBackoff);
  /** Workers whose `hello` a control process was given. */
  const greeted = new Set<number>();
  let waiting: SupervisorToControl[] = [];
  let child: Child<SupervisorToControl> | undefined;
  let restart: NodeJS.Timeout | undefined;
  let lastReady: Ready | undefined;
  let fatalDetail: string | undefined;
  let isEnding = false;

  const deliver = (message: SupervisorToControl): void => {
    if (child !== undefined) return child.send(message);
    waiting.push(message);
    if (waiting.length > maxWaiting) waiting.shift();
  };

  const onMessage = (message: ControlMessage): void => {
    if (message.type === 'ready') {
      lastReady = message;
      parts.onReady(message);
    } else if (message.type === 'fatal') {
      fatalDetail = message.detail;
    } else {
      parts.onMessage(message);
    }
  };

  const onEnd = (startedAtMs: number, detail: string): void => {
    child = undefined;
    if (isEnding) return;
    const delayMs = backoff.next(startedAtMs, performance.now());
    log.error({ detail: fatalDetail ?? detail, delayMs }, 'control process ended');
    if (lastReady === undefined) {
      if (fatalDetail !== undefined) return parts.onHopeless(2, fatalDetail);
      if (backoff.failuresInARow >= hopelessAfter) {
        return parts.onHopeless(
          1,
          `the control process ended ${hopelessAfter} times at its start (${detail})`,
        );
      }
    }
    // Also after a fatal error, once it has served: a full disk or a lost file may be mended while workers go on.
    restart = setTimeout(start, delayMs);
  };

  const start = (): void => {
    fatalDetail = undefined;
    const startedAtMs = performance.now();
    child = startChild<SupervisorToControl, ControlMessage>(parts.command, {
      onMessage,
      onEnd: ({ detail }) => onEnd(startedAtMs, detail),
    });
    log.info({ pid: child.pid }, 'control process started');
    const gatewayPort = parts.gatewayPort();
    child.send({
      type: 'start',
      ...parts.start,
      ...(gatewayPort === undefined ? {} : { gatewayPort }),
      ...(lastReady === undefined ? {} : { operatorPort: lastReady.operatorPort }),
      ...(lastReady?.controlPort === undefined ? {} : { controlPort: lastReady.controlPort }),
    });
    // Workers that an earlier control process knew are new to this one, which may have changes that never reached them.
    for (const { number, port } of parts.workers()) {
      if (greeted.has(number))
        child.send({ type: 'from-worker', worker: number, message: { type: 'hello' } });
      if (port !== undefined) child.send({ type: 'worker-ready', worker: number, port });
    }
    const late = waiting;
    waiting = [];
    for (const message of late) {
      if (message.type === 'from-worker') greeted.add(message.worker);
      child.send(message);
    }
  };

  return {
    start,
    fromWorker({ number }, message) {
      // What waits holds its own `hello`, if that is what it is: only what was given to a process counts.
      if (child !== undefined) greeted.add(number);
      deliver({ type: 'from-worker', worker: number, message });
    },
    workerReady({ number, port }) {
      if (port !== undefined && child !== undefined) deliver({ type: 'worker-ready', worker: number, port });
    },
    workerGone({ number }) {
      greeted.delete(number);
      waiting = waiting.filter((message) => !('worker' in message) || message.worker !== number);
      if (child !== undefined) deliver({ type: 'worker-gone', worker: number });
    },
    sinkHealth: (message) => child?.send(message),
    async drain(timeoutMs) {
      isEnding = true;
      clearTimeout(restart);
      child?.send({ type: 'drain' });
      await child?.endWithin(timeoutMs);
    },
    kill() {
      isEnding = true;
      clearTimeout(restart);
      child?.kill();
    },
  };
}
