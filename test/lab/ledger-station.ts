import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlState } from '../../src/domain/control-state.ts';
import type { ControlEvent } from '../../src/domain/events.ts';
import type { RedisAddress } from '../../src/ledger/redis/redis-address.ts';
import { openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import type { Recovery } from '../../src/ledger/replica/recover.ts';
import { openReplica } from '../../src/ledger/replica/replica.ts';
import { openReplicatedLedger } from '../../src/ledger/replica/replicated-ledger.ts';
import { openLedgerStore } from '../../src/ledger/store.ts';
import type { LedgerStore } from '../../src/ledger/store.ts';

/** What one server knows of a ledger in Redis, with a disk of its own. */
export interface LedgerStation {
  readonly store: LedgerStore;
  readonly lostDirectory: string;
  readonly recoveries: readonly Recovery[];
  readonly troubles: readonly Error[];
  /** Every state of a device that was ever seen here, in order, without repetitions. */
  statesOf(device: string): readonly string[];
  commit(...events: readonly ControlEvent[]): Promise<unknown>;
  /** Ends it and starts it again from its disk. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function openStation(address: RedisAddress, watched: string): Promise<LedgerStation> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-station-'));
  const lostDirectory = join(directory, 'lost');
  const recoveries: Recovery[] = [];
  const troubles: Error[] = [];
  const seen: string[] = [];
  const look = (state: ControlState): void => {
    const device = state.devices.get(watched as never)?.state ?? 'none';
    if (seen.at(-1) !== device) seen.push(device);
  };
  const open = async (): Promise<LedgerStore> => {
    const snapshotPath = join(directory, 'snapshot');
    const ledger = await openReplicatedLedger({
      openStore: (onConfirmed) =>
        openRedisLedger(address, {
          onConfirmed,
          blockMs: 200,
          timeouts: { connectMs: 1000, silenceMs: 1000 },
        }),
      replica: openReplica(join(directory, 'replica.db')),
      lostDirectory,
      beforeRebase: () => rmSync(snapshotPath, { force: true }),
      onRecovery: (recovery) => void recoveries.push(recovery),
      onTrouble: (error) => void troubles.push(error),
      onInStep: () => undefined,
      retryMs: 100,
      lookEveryMs: 100,
    });
    const store = await openLedgerStore(ledger, { snapshotPath, settleMs: 0 });
    look(store.state);
    store.onEntries(() => look(store.state));
    store.onReplaced(() => look(store.state));
    return store;
  };
  let store = await open();
  return {
    get store() {
      return store;
    },
    lostDirectory,
    recoveries,
    troubles,
    statesOf: () => seen,
    commit: (...events) => store.commit('test', () => ({ events, value: 'done' })),
    async restart() {
      await store.close();
      store = await open();
    },
    async stop() {
      await store.close();
      rmSync(directory, { recursive: true });
    },
  };
}
