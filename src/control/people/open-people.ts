import { dirname, join } from 'node:path';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { Settings } from '../../contract/settings.ts';
import { createSealer } from '../../identity/sealer.ts';
import { readRedisAddress } from '../../ledger/redis/redis-address.ts';
import { openRedisConnection } from '../../ledger/redis/redis-connection.ts';
import { createPeople } from './people.ts';
import type { People } from './people.ts';
import { createRedisPeople } from './redis-people.ts';
import { openSqlitePeople } from './sqlite-people.ts';

/**
 * Where the settings ask for pseudonyms: keys beside the ledger in Redis, so that all control planes call a person the same,
 * or in the data directory. Undefined without. @throws LedgerUnavailable for files not read, and what SQLite throws
 */
export function openPeople(
  settings: Pick<Settings, 'flows' | 'ledger'>,
  parts: { readonly configFile: string; readonly data: string; readonly deviceAuthorityKeyPem: string },
): People | undefined {
  if (settings.flows?.pseudonyms !== true) return undefined;
  const sealer = createSealer(parts.deviceAuthorityKeyPem);
  const { ledger } = settings;
  if (ledger === undefined || 'embedded' in ledger)
    return createPeople(openSqlitePeople(join(parts.data, dataDirectory.people)), sealer);
  const address = readRedisAddress(ledger.redis, dirname(parts.configFile));
  return createPeople(createRedisPeople(openRedisConnection(address), address), sealer);
}
