import { dirname, join } from 'node:path';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { Settings } from '../../contract/settings.ts';
import type { Ledger } from '../../ledger/ledger.ts';
import { readRedisAddress } from '../../ledger/redis/redis-address.ts';
import { openRedisLedger } from '../../ledger/redis/redis-ledger.ts';
import { openSqliteLedger } from '../../ledger/sqlite/sqlite-ledger.ts';
import type { SqliteLedgerOptions } from '../../ledger/sqlite/sqlite-ledger.ts';
import { dataPathOf } from './open-data-directory.ts';

/**
 * The ledger that the settings name: in Redis, or embedded in the data directory. It must exist: one that is lost never
 * starts afresh. @throws LedgerUnavailable, LedgerCorrupt
 */
export function openLedger(
  settings: Pick<Settings, 'data' | 'ledger'>,
  configFile: string,
  options: Pick<SqliteLedgerOptions, 'vouchedFor'> = {},
): Ledger {
  const { ledger } = settings;
  if (ledger !== undefined && 'redis' in ledger)
    return openRedisLedger(readRedisAddress(ledger.redis, dirname(configFile)));
  return openSqliteLedger(join(dataPathOf(configFile, settings.data), dataDirectory.ledger), options);
}
