import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import type { RebasingLedger } from '../../src/ledger/ledger.ts';
import { openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { openReplica } from '../../src/ledger/replica/replica.ts';
import { openReplicatedLedger } from '../../src/ledger/replica/replicated-ledger.ts';
import { freshLedger, portAddress } from '../lab/redis-ledgers.ts';
import { hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { ledgerContract } from './ledger-contract.ts';

describe.skipIf(!hasRedis)(`a replica on this server's disk${redisHint}`, () => {
  let server: RedisServer;
  let directory: string;
  let opened = 0;
  beforeAll(async () => {
    server = await startRedis();
    directory = mkdtempSync(join(tmpdir(), 'postern-replicas-'));
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(directory, { recursive: true });
  });
  ledgerContract('Redis behind a replica', async () => {
    const address = portAddress(server.port);
    const open = (): Promise<RebasingLedger> =>
      openReplicatedLedger({
        openStore: (onConfirmed) => openRedisLedger(address, { onConfirmed }),
        replica: openReplica(join(directory, `replica-${(opened += 1)}.db`)),
        lostDirectory: join(directory, 'lost'),
        beforeRebase: () => undefined,
        onRecovery: () => undefined,
        onTrouble: () => undefined,
        onInStep: () => undefined,
      });
    return freshLedger(open);
  });
});
