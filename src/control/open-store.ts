import { join } from 'node:path';
import type { FastifyBaseLogger } from 'fastify';
import { dataDirectory } from '../contract/data-directory.ts';
import type { Settings } from '../contract/settings.ts';
import { readSnapshotHead } from '../ledger/snapshot-file.ts';
import { openLedgerStore } from '../ledger/store.ts';
import type { LedgerStore } from '../ledger/store.ts';
import { dataPathOf } from './open-data-directory.ts';
import { openLedger } from './open-ledger.ts';
import { createRecentEntries, maxRecentEntries } from './recent-entries.ts';
import type { RecentEntries } from './recent-entries.ts';

/** The ledger counts as away until nothing was heard of trouble for this long. */
const troubleMs = 5000;

export interface WatchedStore {
  readonly store: LedgerStore;
  readonly recent: Pick<RecentEntries, 'all'>;
  /** What is wrong with the ledger now, in words for /readyz; empty when nothing is. */
  readonly troubles: () => readonly string[];
}

/** Opens and folds the ledger that the settings name. @throws LedgerCorrupt, LedgerUnavailable */
export async function openStore(
  settings: Pick<Settings, 'data' | 'ledger'>,
  configFile: string,
  clock: () => number,
  logger: FastifyBaseLogger,
): Promise<WatchedStore> {
  let isCorrupt = false;
  let unavailableAt = Number.NEGATIVE_INFINITY;
  const snapshotPath = `${join(dataPathOf(configFile, settings.data), dataDirectory.ledger)}.snapshot`;
  const vouchedFor = readSnapshotHead(snapshotPath);
  const ledger = openLedger(settings, configFile, vouchedFor === undefined ? {} : { vouchedFor });
  const store = await openLedgerStore(ledger, {
    snapshotPath,
    onProblem: (problem, error) => {
      if (problem === 'ledger-corrupt') isCorrupt = true;
      // Said again every second for as long as it lasts.
      if (problem === 'ledger-unavailable') unavailableAt = clock();
      logger[problem === 'snapshot-not-used' ? 'warn' : 'error']({ problem, err: error }, 'ledger trouble');
    },
  });
  const recent = createRecentEntries();
  // Listens before it reads, so that nothing falls in between.
  store.onEntries((entries) => recent.add(entries));
  const after = Math.max(0, store.state.head.sequence - maxRecentEntries);
  recent.add(await Array.fromAsync(ledger.read(after)));
  return {
    store,
    recent,
    troubles: () => [
      ...(isCorrupt ? ['ledger corrupt'] : []),
      ...(clock() - unavailableAt < troubleMs ? ['ledger'] : []),
      ...(store.state.domain === '' ? ['organization'] : []),
    ],
  };
}
