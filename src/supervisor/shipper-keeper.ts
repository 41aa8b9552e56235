import type { ShipperMessage } from '../contract/ipc.ts';
import type { SupervisorToShipper } from '../flow/shipper/messages.ts';
import { createBackoff, usualBackoff } from './backoff.ts';
import type { BackoffTimes } from './backoff.ts';
import { startChild } from './child.ts';
import type { Child, Command } from './child.ts';
import type { SupervisorLog } from './log.ts';
import { isShipperMessage } from './shipper-message.ts';

/** A process that delivers records, started again for ever: flows never wait for it. */
export interface ShipperKeeper {
  start(): void;
  /** Lets it deliver what is there for a while, and kills it after that. Resolves when it is gone. */
  drain(withinMs: number): Promise<void>;
  kill(): void;
}

export interface ShipperKeeperParts {
  readonly command: Command;
  readonly start: Extract<SupervisorToShipper, { type: 'start' }>;
  readonly log: SupervisorLog;
  /** How its sinks do; undefined when it ended. */
  readonly onHealth: (sinks: ShipperMessage['sinks'] | undefined) => void;
  readonly backoff?: BackoffTimes;
}

/** Beyond what it was given, for closing connections and cursors. */
const lastMs = 5000;

export function createShipperKeeper(parts: ShipperKeeperParts): ShipperKeeper {
  const { log } = parts;
  const { name } = parts.start;
  const backoff = createBackoff(parts.backoff ?? usualBackoff);
  let child: Child<SupervisorToShipper> | undefined;
  let restart: NodeJS.Timeout | undefined;
  let isEnding = false;

  const start = (): void => {
    const startedAtMs = performance.now();
    const started = startChild<SupervisorToShipper, unknown>(parts.command, {
      onMessage: (message) => {
        if (isShipperMessage(message)) return parts.onHealth(message.sinks);
        log.error({ child: name }, 'process of the sinks broke the form of messages');
        started.kill();
      },
      onEnd: ({ detail }) => {
        child = undefined;
        if (isEnding) return;
        parts.onHealth(undefined);
        const delayMs = backoff.next(startedAtMs, performance.now());
        log.error({ child: name, detail, delayMs }, 'process of the sinks ended');
        restart = setTimeout(start, delayMs);
      },
    });
    child = started;
    log.info({ child: name, pid: started.pid }, 'process of the sinks started');
    started.send(parts.start);
  };

  return {
    start,
    async drain(withinMs) {
      isEnding = true;
      clearTimeout(restart);
      child?.send({ type: 'drain', withinMs });
      await child?.endWithin(withinMs + lastMs);
    },
    kill() {
      isEnding = true;
      clearTimeout(restart);
      child?.kill();
    },
  };
}
