import { dirname } from 'node:path';
import type { Settings } from '../../contract/settings.ts';
import { readRedisAddress } from '../../ledger/redis/redis-address.ts';
import { openRedisConnection } from '../../ledger/redis/redis-connection.ts';
import { createMemorySignals } from './fleeting-signals.ts';
import type { FleetingSignals } from './fleeting-signals.ts';
import type { FleetingBounds, FleetingStore } from './fleeting-store.ts';
import { createMemoryFleeting } from './memory-fleeting.ts';
import { createRedisFleeting } from './redis-fleeting.ts';
import { createRedisSignals, signalBlockMs } from './redis-signals.ts';
import { announceServer } from './server-presence.ts';
import type { ServerNote } from './server-presence.ts';

/** Where fleeting things of each kind are kept. */
export interface Fleeting {
  of(kind: string, bounds: FleetingBounds): FleetingStore;
  signals(kind: string): FleetingSignals;
  /** Tells the other servers that this one is there, for a minute. */
  announce(server: ServerNote): Promise<void>;
  /** Whether other servers see them too. */
  readonly isShared: boolean;
  close(): void;
}

/** Something is waiting for an answer that is not worth waiting for. */
const timeouts = { connectMs: 500, silenceMs: 500 };

/** Beside the ledger in Redis, where that is; in memory otherwise. @throws LedgerUnavailable for files not read */
export function openFleeting(
  settings: Pick<Settings, 'ledger'>,
  configFile: string,
  clock: () => number,
): Fleeting {
  const { ledger } = settings;
  if (ledger === undefined || 'embedded' in ledger)
    return {
      of: (_, bounds) => createMemoryFleeting(clock, bounds),
      signals: () => createMemorySignals(),
      announce: () => Promise.resolve(),
      isShared: false,
      close: () => undefined,
    };
  const address = readRedisAddress(ledger.redis, dirname(configFile));
  const connection = openRedisConnection(address, timeouts);
  return {
    of: (kind, bounds) =>
      createRedisFleeting(connection, `{${address.prefix}}:${kind}`, createMemoryFleeting(clock, bounds)),
    signals: (kind) =>
      createRedisSignals(
        connection,
        () => openRedisConnection(address, { ...timeouts, silenceMs: timeouts.silenceMs + signalBlockMs }),
        `{${address.prefix}}:${kind}`,
      ),
    announce: (server) => announceServer(connection, address.prefix, server),
    isShared: true,
    close: () => connection.close(),
  };
}
