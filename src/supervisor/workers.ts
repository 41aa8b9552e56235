import type { SupervisorToWorker, WorkerMessage } from '../contract/ipc.ts';
import { isSocketHandle } from '../routing/wrap-handle.ts';
import { createBackoff, usualBackoff } from './backoff.ts';
import type { BackoffTimes } from './backoff.ts';
import { startChild } from './child.ts';
import type { Child, Command } from './child.ts';
import type { SupervisorLog } from './log.ts';
import { isWorkerMessage } from './worker-message.ts';

/** One worker process. Numbers are never given twice: what is meant for one that is gone reaches nobody. */
export interface RunningWorker {
  readonly number: number;
  readonly pid: number | undefined;
  /** Where it accepts connections, once it does. */
  port: number | undefined;
}

/** As many workers as were asked for, each replaced when it dies. */
export interface Workers {
  readonly running: ReadonlyMap<number, RunningWorker>;
  start(): void;
  /** `sent` is called once, also when nobody is there. */
  send(worker: number, message: SupervisorToWorker, handle?: unknown, sent?: () => void): void;
  sendToAll(message: SupervisorToWorker): void;
  /** Tells all to finish what they carry; those that take longer are killed. Resolves when all are gone. */
  drain(timeoutMs: number): Promise<void>;
  kill(): void;
}

export interface WorkersParts {
  readonly count: number;
  readonly command: Command;
  readonly log: SupervisorLog;
  readonly onMessage: (worker: RunningWorker, message: WorkerMessage) => void;
  readonly onGone: (worker: RunningWorker) => void;
  /** None was ever ready and one place has failed again and again: what is wrong is not chance. */
  readonly onHopeless: (detail: string) => void;
  readonly backoff?: BackoffTimes;
}

/** Ends in a row, before any worker was ever ready, after which starting more is pointless. */
const hopelessAfter = 5;

export function createWorkers(parts: WorkersParts): Workers {
  const { log } = parts;
  const running = new Map<number, RunningWorker>();
  const children = new Map<number, Child<SupervisorToWorker>>();
  const restarts = new Set<NodeJS.Timeout>();
  let lastNumber = 0;
  let wasEverReady = false;
  let isEnding = false;

  const startOne = (backoff = createBackoff(parts.backoff ?? usualBackoff)): void => {
    const startedAtMs = performance.now();
    const number = ++lastNumber;
    const child = startChild<SupervisorToWorker, unknown>(parts.command, {
      onMessage: (message, handle) => {
        if (isSocketHandle(handle)) handle.close();
        if (!isWorkerMessage(message)) {
          log.error({ worker: number }, 'worker broke the form of messages');
          child.kill();
          return;
        }
        if (message.type === 'ready') {
          wasEverReady = true;
          worker.port = message.port;
        }
        parts.onMessage(worker, message);
      },
      onEnd: ({ detail }) => {
        running.delete(number);
        children.delete(number);
        parts.onGone(worker);
        if (isEnding) return;
        const delayMs = backoff.next(startedAtMs, performance.now());
        log.error({ worker: number, detail, delayMs }, 'worker ended');
        if (!wasEverReady && backoff.failuresInARow >= hopelessAfter) {
          return parts.onHopeless(
            `a worker ended ${backoff.failuresInARow} times before it was ready (${detail})`,
          );
        }
        const timer = setTimeout(() => {
          restarts.delete(timer);
          startOne(backoff);
        }, delayMs);
        restarts.add(timer);
      },
    });
    const worker: RunningWorker = { number, pid: child.pid, port: undefined };
    running.set(number, worker);
    children.set(number, child);
    log.info({ worker: number, pid: child.pid }, 'worker started');
  };
  const endRestarts = (): void => {
    isEnding = true;
    for (const timer of restarts) clearTimeout(timer);
    restarts.clear();
  };

  return {
    running,
    start() {
      for (let place = 0; place < parts.count; place++) startOne();
    },
    send(worker, message, handle, sent = () => undefined) {
      const child = children.get(worker);
      if (child === undefined) return sent();
      child.send(message, handle, sent);
    },
    sendToAll(message) {
      for (const child of children.values()) child.send(message);
    },
    async drain(timeoutMs) {
      endRestarts();
      const all = [...children.values()];
      for (const child of all) child.send({ type: 'drain' });
      const timer = setTimeout(() => {
        log.warn({ workers: children.size, timeoutMs }, 'workers did not drain in time');
        for (const child of all) child.kill();
      }, timeoutMs);
      await Promise.all(all.map(({ ended }) => ended));
      clearTimeout(timer);
    },
    kill() {
      endRestarts();
      for (const child of children.values()) child.kill();
    },
  };
}
