import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { genesisHead } from '../../src/ledger/chain.ts';
import { LedgerUnavailable } from '../../src/ledger/ledger.ts';
import { openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { freshLedger, freshPrefix, addressOf, portAddress } from '../lab/redis-ledgers.ts';
import { hasRedis, redisHint, startRedis, startRedisCluster } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { makeOrganization } from '../lab/pki.ts';
import { ledgerContract } from './ledger-contract.ts';
import { created } from './samples.ts';

/** The very rules that the guide tells people to write, for the prefixes of these tests. */
function rulesOfGuide(): string {
  const guide = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8');
  const rules = /^user postern .*$/m.exec(guide)?.[0] ?? '';
  return rules.replace('>PASSWORD', '>correct-horse').replace('{postern}', '{t*}');
}

describe.skipIf(!hasRedis)(`one server${redisHint}`, () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.stop());
  ledgerContract('Redis', async () => {
    const address = portAddress(server.port);
    return freshLedger(async () => openRedisLedger(address));
  });
});

describe.skipIf(!hasRedis)(`a server with TLS and access rules${redisHint}`, () => {
  let server: RedisServer;
  let files: string;
  const at = (name: string): string => join(files, name);
  beforeAll(async () => {
    const organization = await makeOrganization();
    const { serviceAuthorityPem, rootPem } = organization;
    const { chainPem, keyPem } = await organization.issueControl({ addresses: ['127.0.0.1'] });
    files = mkdtempSync(join(tmpdir(), 'postern-redis-files-'));
    writeFileSync(at('ca.pem'), rootPem);
    writeFileSync(at('other-ca.pem'), (await makeOrganization()).rootPem);
    writeFileSync(at('password'), 'correct-horse\n', { mode: 0o600 });
    writeFileSync(at('open'), 'correct-horse\n', { mode: 0o644 });
    server = await startRedis({
      tls: { certificatePem: chainPem, keyPem, caPem: rootPem + serviceAuthorityPem },
      settings: ['user default off', rulesOfGuide()],
    });
  });
  afterAll(async () => {
    await server?.stop();
    rmSync(files, { recursive: true });
  });
  const access = (): { url: string; caFile: string; username: string; passwordFile: string } => ({
    url: `rediss://127.0.0.1:${server.port}`,
    caFile: at('ca.pem'),
    username: 'postern',
    passwordFile: at('password'),
  });

  ledgerContract('Redis with TLS', async () => {
    const address = addressOf(access());
    return freshLedger(async () => openRedisLedger(address));
  });

  it('trusts no server whose certificate is not of the authority that was named', async () => {
    const ledger = openRedisLedger(addressOf({ ...access(), caFile: at('other-ca.pem') }));
    await expect(ledger.head()).rejects.toThrow(/does not answer.*certificate/);
    await ledger.close();
  });

  it('may touch nothing beside its own keys', async () => {
    const ledger = openRedisLedger(addressOf({ ...access(), prefix: 'other' }));
    await expect(ledger.append(genesisHead.hash, 'test', [created])).rejects.toThrow(LedgerUnavailable);
    await expect(ledger.head()).rejects.toThrow('the user may not do this');
    await ledger.close();
  });

  it('takes no password from a file that everyone can read', () => {
    expect(() => addressOf({ ...access(), passwordFile: at('open') })).toThrow(
      /can be read by every user.*chmod/,
    );
    expect(() => addressOf({ ...access(), passwordFile: at('none') })).toThrow(
      /passwordFile .* cannot be read/,
    );
  });
});

describe.skipIf(!hasRedis)(`a cluster of three${redisHint}`, () => {
  let cluster: Awaited<ReturnType<typeof startRedisCluster>>;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster?.stop());
  ledgerContract('Redis Cluster', async () => {
    const urls = cluster.servers.map(({ port }) => `redis://127.0.0.1:${port}`);
    const address = addressOf({ cluster: urls, prefix: freshPrefix() });
    return freshLedger(async () => openRedisLedger(address));
  });

  it('needs no more rights than the guide gives, for a cluster too', async () => {
    const guide = readFileSync(new URL('../../docs/redis.md', import.meta.url), 'utf8');
    const more = /a cluster wants `([^`]+)` as well/.exec(guide)?.[1] ?? '';
    const [, , ...rules] = `${rulesOfGuide()} ${more}`.split(' ');
    for (const server of cluster.servers)
      expect(server.cli('acl', 'setuser', 'postern', ...rules)).toBe('OK');
    const urls = cluster.servers.map(({ port }) => `redis://127.0.0.1:${port}`);
    const address = { ...addressOf({ cluster: urls }), username: 'postern', password: 'correct-horse' };
    const ledger = openRedisLedger(address);
    const [first] = await ledger.append(genesisHead.hash, 'test', [created]);
    const followed = ledger.follow(0, new AbortController().signal)[Symbol.asyncIterator]();
    expect((await followed.next()).value).toEqual(first);
    await ledger.close();
    const outside = openRedisLedger({ ...address, prefix: 'other' });
    await expect(outside.head()).rejects.toThrow('the user may not do this');
    await outside.close();
  });
});
