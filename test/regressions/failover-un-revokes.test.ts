import { afterEach, describe, expect, it, vi } from 'vitest';
import { genesisHead } from '../../src/ledger/chain.ts';
import { openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { openStation } from '../lab/ledger-station.ts';
import { addressOf, portAddress } from '../lab/redis-ledgers.ts';
import { hasRedis, redisHint } from '../lab/servers/redis.ts';
import { startSentinelLab } from '../lab/servers/redis-sentinel.ts';
import { created, deviceState, enrolled, networkPut, tokenCreated } from '../ledger/samples.ts';

/*
 * A laptop is stolen and revoked; Redis acknowledges it. The line to the replica was broken at that moment, the master's
 * zone loses its power, and Sentinel promotes the replica, which never heard of it. Whoever believes the new master lets
 * the thief in again, and nothing anywhere says so; a thief who can cut a line has only to choose the moment. Here each
 * gateway stands by what it has seen, and gives the new master what it lost (smallstep/certificates#606: a restore
 * un-revoked; revocations only grow).
 */

// Sentinels take their time to agree.
vi.setConfig({ testTimeout: 120_000 });

const cleanUps: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0).reverse()) await cleanUp();
});

describe.skipIf(!hasRedis)(`a failover of Sentinel that loses an acknowledged revocation${redisHint}`, () => {
  it('lets the device in nowhere, not for a moment, and the revocation is in the store again', async () => {
    const lab = await startSentinelLab();
    cleanUps.push(() => lab.stop());
    const address = {
      ...addressOf({
        sentinels: lab.sentinels.map(({ port }) => `redis://127.0.0.1:${port}`),
        master: 'postern',
      }),
      password: lab.password,
    };
    const gateways = [await openStation(address, 'd1'), await openStation(address, 'd1')];
    for (const gateway of gateways) cleanUps.push(() => gateway.stop());
    const setUp = openRedisLedger(address);
    await setUp.append(genesisHead.hash, 'test', [created, tokenCreated('t1'), enrolled('d1', 't1')]);
    await setUp.close();
    const onReplica = openRedisLedger({
      ...portAddress(lab.replica.port),
      prefix: address.prefix,
      password: lab.password,
    });
    cleanUps.push(() => onReplica.close());
    await expect.poll(async () => (await onReplica.head()).sequence).toBe(3);

    await lab.cutReplication();
    expect(await gateways[0]?.commit(deviceState('d1', 'revoked'))).toBe('done');
    for (const gateway of gateways) await expect.poll(() => gateway.store.state.head.sequence).toBe(4);
    const head = gateways[0]?.store.state.head;
    await lab.master.kill();
    await expect.poll(() => lab.masterPort(), { timeout: 60_000, interval: 200 }).toBe(lab.replica.port);

    // The new master never had it; it gets it from the gateways, as it was.
    await expect.poll(() => onReplica.head(), { timeout: 60_000 }).toEqual(head);
    await expect
      .poll(() => gateways.reduce((sum, { recoveries }) => sum + recoveries.length, 0), { timeout: 30_000 })
      .toBeGreaterThan(0);
    for (const gateway of gateways) {
      // Changes that needed the store were refused meanwhile, or came after the revocation; now they are taken.
      await expect.poll(() => gateway.commit(networkPut('a')), { timeout: 60_000 }).toBe('done');
      expect(gateway.statesOf('d1')).toEqual(['none', 'active', 'revoked']);
      expect(gateway.troubles.length).toBeGreaterThan(0);
    }
    const [, , , fourth] = await Array.fromAsync(onReplica.read(0));
    expect(JSON.parse(fourth?.data ?? '')).toEqual(deviceState('d1', 'revoked'));
  });
});
