import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { Settings } from '../../contract/settings.ts';
import { readSnapshotHead } from '../../ledger/snapshot-file.ts';
import { openLedgerStore } from '../../ledger/store.ts';
import type { LedgerStore, StoreProblem } from '../../ledger/store.ts';
import { createLedgerHealth } from './ledger-health.ts';
import type { LedgerHealth } from './ledger-health.ts';
import { dataPathOf } from './open-data-directory.ts';
import { openServedLedger } from './open-served-ledger.ts';
import { createRecentEntries, maxRecentEntries } from './recent-entries.ts';
import type { RecentEntries } from './recent-entries.ts';

export interface WatchedStore {
  readonly store: LedgerStore;
  readonly recent: Pick<RecentEntries, 'all'>;
  readonly health: Pick<LedgerHealth, 'isAway' | 'troubles' | 'recoveries'>;
}

/** Opens and folds the ledger that the settings name. @throws LedgerCorrupt, LedgerUnavailable */
export async function openStore(
  settings: Pick<Settings, 'data' | 'ledger'>,
  configFile: string,
  clock: () => number,
  logger: FastifyBaseLogger,
): Promise<WatchedStore> {
  const snapshotPath = `${join(dataPathOf(configFile, settings.data), dataDirectory.ledger)}.snapshot`;
  const confirms = settings.ledger !== undefined && 'redis' in settings.ledger;
  const health = createLedgerHealth(clock, { confirms });
  const onProblem = (problem: StoreProblem, error: Error): void => {
    health.problem(problem);
    logger[problem === 'snapshot-not-used' ? 'warn' : 'error']({ problem, err: error }, 'ledger trouble');
  };
  const ledger = await openServedLedger({
    settings,
    configFile,
    snapshotPath,
    vouchedFor: readSnapshotHead(snapshotPath),
    clock,
    onProblem,
    onInStep: () => health.inStep(),
  });
  const store = await openLedgerStore(ledger, { snapshotPath, onProblem });
  const recent = createRecentEntries();
  // Listens before it reads, so that nothing falls in between.
  store.onEntries((entries) => recent.add(entries));
  store.onReplaced(() => recent.clear());
  const after = Math.max(0, store.state.head.sequence - maxRecentEntries);
  recent.add(await Array.fromAsync(ledger.read(after)));
  return { store, recent, health };
}
