import type { SinkHealth, SinkSettings } from '../contract/sinks.ts';
import type { SupervisorToShipper } from '../flow/shipper/messages.ts';
import type { BackoffTimes } from './backoff.ts';
import { shipperCommand } from './commands.ts';
import type { SupervisorLog } from './log.ts';
import type { PlannedShipper } from './plan-shippers.ts';
import { createShipperKeeper } from './shipper-keeper.ts';
import { createHealthBoard } from './sink-health.ts';

type Start = Extract<SupervisorToShipper, { type: 'start' }>;

/** What is delivered, and by whom. */
export interface Shipping {
  readonly shippers: readonly PlannedShipper[];
  /** Those of the settings. */
  readonly sinks: readonly SinkSettings[];
  /** What each process starts with beside what is its own. */
  readonly start: Pick<Start, 'archiveDirectory' | 'gateway' | 'retention' | 'domain' | 'logLevel'>;
}

/** The processes that deliver the records of a server. */
export interface Shippers {
  start(): void;
  /** One lets go what it has for a while, and is killed after that. Resolves when it is gone. */
  drain(name: PlannedShipper['name'], withinMs: number): Promise<void>;
  kill(): void;
}

export function createShippers(
  { shippers, sinks, start }: Shipping,
  parts: {
    readonly program: string;
    readonly environment: NodeJS.ProcessEnv;
    readonly bootId: string;
    readonly log: SupervisorLog;
    readonly backoff?: BackoffTimes;
    readonly onHealth: (sinks: readonly SinkHealth[]) => void;
  },
): Shippers {
  const { program, environment, bootId, log, backoff } = parts;
  const board = createHealthBoard(sinks, shippers);
  const keepers = shippers.map(({ runAs, ...shipper }) => ({
    name: shipper.name,
    keeper: createShipperKeeper({
      log,
      command: shipperCommand(program, environment, shipper.sinks, runAs),
      start: { type: 'start', bootId, ...start, ...shipper },
      onHealth: (health) => parts.onHealth(board.heard(shipper.name, health)),
      ...(backoff === undefined ? {} : { backoff }),
    }),
  }));
  return {
    start() {
      for (const { keeper } of keepers) keeper.start();
    },
    async drain(which, withinMs) {
      for (const { name, keeper } of keepers) if (name === which) await keeper.drain(withinMs);
    },
    kill() {
      for (const { keeper } of keepers) keeper.kill();
    },
  };
}
