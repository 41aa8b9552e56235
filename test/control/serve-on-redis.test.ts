import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { Agent, request } from 'node:https';
import type { RequestOptions } from 'node:https';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createKeyAndRequest } from '../../certs/request.ts';
import type { LedgerEntry } from '../../src/domain/events.ts';
import { ledgerKey, openRedisLedger } from '../../src/ledger/redis/redis-ledger.ts';
import { moveToRedis } from '../lab/redis-installation.ts';
import type { RedisInstallation } from '../lab/redis-installation.ts';
import { hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { startServing } from '../lab/serving.ts';
import type { Serving } from '../lab/serving.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000 });
const soon = { timeout: 40_000, interval: 100 };

let redis: RedisServer;
let made: RedisInstallation;
let application: Server;
const serving: Serving[] = [];

async function serve(configFile: string, role: 'all' | 'gateway' | 'control'): Promise<Serving> {
  const started = await startServing(configFile, role);
  serving.push(started);
  return started;
}

async function ask(
  port: number,
  options: RequestOptions,
  body?: unknown,
): Promise<{ status: number; text: string }> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const outgoing = request({
    host: '127.0.0.1',
    port,
    agent: false,
    ca: made.rootPem,
    ...options,
    headers: {
      ...(options.headers as Record<string, string> | undefined),
      ...(payload === undefined ? {} : { 'content-type': 'application/json' }),
    },
  });
  outgoing.end(payload);
  try {
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of response) text += String(chunk);
    return { status: response.statusCode ?? 0, text };
  } catch (error) {
    return { status: 0, text: String(error) };
  }
}

const host = 'grants.apps.example.org';
const passes = { status: 200, text: 'budget of 2026' };
const checks = {
  diskEncrypted: true,
  firewallEnabled: true,
  screenLockEnabled: true,
  osUpToDate: true,
  secureBoot: true,
  protectionRunning: true,
};
const posture = { ageSeconds: 1, os: 'linux', osVersion: '13', agentVersion: '1', checks };

const resources = (): unknown[] => [
  { kind: 'Network', name: 'finance', attach: { direct: true } },
  {
    kind: 'App',
    name: 'grants',
    network: 'finance',
    host,
    protocol: 'http',
    upstreams: [`http://127.0.0.1:${(application.address() as AddressInfo).port}`],
  },
  {
    kind: 'Policy',
    name: 'all',
    mode: 'enforce',
    cedar: 'permit (principal, action == Action::"access", resource == App::"grants");',
  },
];

async function inStore(): Promise<LedgerEntry[]> {
  const ledger = openRedisLedger(made.address);
  const entries = await Array.fromAsync(ledger.read(0));
  await ledger.close();
  return entries;
}

describe.skipIf(!hasRedis)(`servers on one Redis${redisHint}`, () => {
  beforeEach(async () => {
    redis = await startRedis({ settings: ['appendonly yes', 'appendfsync always'] });
    made = await moveToRedis(redis.port);
    application = createServer((_, response) => response.end('budget of 2026'));
    application.listen(0, '127.0.0.1');
    await once(application, 'listening');
  });
  afterEach(async () => {
    for (const each of serving.splice(0)) await each.kill();
    application.close();
    await made.remove();
    await redis.stop();
  });

  it('pass flows while Redis is away, also after a start, refuse tokens and changes with a code, and come back', async () => {
    const control = await serve(made.configFile, 'control');
    const other = await made.anotherServer();
    let gateway = await serve(other.configFile, 'gateway');
    const api = (method: string, path: string, body?: unknown): ReturnType<RedisInstallation['api']> =>
      made.api(control.portOf('control'), method, path, body);
    const applied = await api('POST', '/v1/apply', { resources: resources() });
    expect(applied.status).toBe(200);
    const { body: token } = await api('POST', '/v1/enrollment-tokens', { user: 'alice@example.org' });
    const { privateKeyPem: key, csrPem: csr } = await createKeyAndRequest();
    const { body: enrolled } = await api('POST', '/v1/enroll', { token: token.token, csr });
    const identity = { cert: String(enrolled.certificate), key };
    const refresh = async (): Promise<{ status: number; token?: string; code?: string }> => {
      const answer = await ask(
        control.portOf('control'),
        { ...identity, method: 'POST', path: '/v1/device/token' },
        { posture },
      );
      return { status: answer.status, ...(JSON.parse(answer.text) as object) };
    };
    const session = await refresh();
    const flow = (): Promise<{ status: number; text: string }> =>
      ask(gateway.portOf('gateway'), {
        ...identity,
        servername: host,
        headers: { host, 'proxy-authorization': `Bearer ${session.token}` },
      });
    await expect.poll(flow, soon).toEqual(passes);
    expect(await gateway.readyz()).toEqual({ status: 200, body: { ready: true, waitingFor: [] } });

    await redis.kill();
    await expect
      .poll(() => gateway.readyz(), soon)
      .toEqual({
        status: 200,
        body: { ready: true, waitingFor: [], troubles: ['ledger'] },
      });
    expect(await gateway.metric('postern_ledger_away')).toBe(1);
    await expect
      .poll(() => control.readyz(), soon)
      .toMatchObject({ status: 503, body: { waitingFor: ['ledger'] } });
    expect(await flow()).toEqual(passes);
    expect(await refresh()).toMatchObject({ status: 503, code: 'store-unavailable' });
    const revoke = (): ReturnType<RedisInstallation['api']> =>
      api('POST', `/v1/devices/${enrolled.device}/state`, { state: 'revoked', reason: 'stolen' });
    expect(await revoke()).toMatchObject({ status: 503, body: { code: 'store-unavailable' } });

    await gateway.kill();
    gateway = await serve(other.configFile, 'gateway');
    expect(await flow()).toEqual(passes);

    await redis.restart();
    await expect.poll(async () => (await refresh()).status, soon).toBe(200);
    await expect.poll(async () => (await revoke()).status, soon).toBe(200);
    await expect.poll(async () => (await flow()).status, soon).toBe(0);
    await expect.poll(() => gateway.readyz(), soon).toMatchObject({ status: 200, body: { waitingFor: [] } });
  });

  it('give back what Redis lost while the device stays out, and say so', async () => {
    const server = await serve(made.configFile, 'all');
    const { body: token } = await made.api(server.portOf('control'), 'POST', '/v1/enrollment-tokens', {
      user: 'a@example.org',
    });
    const { csrPem: csr } = await createKeyAndRequest();
    const { body: enrolled } = await made.api(server.portOf('control'), 'POST', '/v1/enroll', {
      token: token.token,
      csr,
    });
    const key = `{${made.address.prefix}}:ledger`;
    const before = Number(redis.cli('xlen', key));
    const path = `/v1/devices/${enrolled.device}/state`;
    await made.api(server.portOf('control'), 'POST', path, { state: 'revoked', reason: 'stolen' });
    expect(Number(redis.cli('xlen', key))).toBe(before + 1);
    // What a replica that lacks the last entry would be.
    redis.cli(
      'eval',
      `redis.call('xdel', KEYS[1], ARGV[1]); redis.call('xsetid', KEYS[1], ARGV[2])`,
      '1',
      key,
      `${before + 1}-0`,
      `${before}-0`,
    );
    await expect.poll(() => server.metric('postern_ledger_recoveries_total'), soon).toBe(1);
    expect(Number(redis.cli('xlen', key))).toBe(before + 1);
    expect(redis.cli('xrevrange', key, '+', '-', 'count', '1')).toContain('revoked');
  });

  it('follow a store that went on without a revocation, which stays in force, and cut nobody else', async () => {
    const server = await serve(made.configFile, 'all');
    const api = (method: string, path: string, body?: unknown): ReturnType<RedisInstallation['api']> =>
      made.api(server.portOf('control'), method, path, body);
    const laptop = async (): Promise<{
      id: string;
      flow: () => ReturnType<typeof ask>;
      connection: () => unknown;
    }> => {
      const { body: token } = await api('POST', '/v1/enrollment-tokens', { user: 'alice@example.org' });
      const { privateKeyPem: key, csrPem: csr } = await createKeyAndRequest();
      const { body: enrolled } = await api('POST', '/v1/enroll', { token: token.token, csr });
      const identity = { cert: String(enrolled.certificate), key };
      const answer = await ask(
        server.portOf('control'),
        { ...identity, method: 'POST', path: '/v1/device/token' },
        { posture },
      );
      const session = (JSON.parse(answer.text) as { token: string }).token;
      const headers = { host, 'proxy-authorization': `Bearer ${session}` };
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      const flow = (): ReturnType<typeof ask> =>
        ask(server.portOf('gateway'), { ...identity, servername: host, headers, agent });
      const connection = (): unknown => Object.values(agent.freeSockets)[0]?.[0];
      return { id: String(enrolled.device), flow, connection };
    };
    expect((await api('POST', '/v1/apply', { resources: resources() })).status).toBe(200);
    const [stolen, other] = [await laptop(), await laptop()];
    for (const each of [stolen, other]) await expect.poll(each.flow, soon).toEqual(passes);
    const kept = await inStore();
    const connection = other.connection();
    expect(connection).toBeDefined();
    await api('POST', `/v1/devices/${stolen.id}/state`, { state: 'revoked', reason: 'stolen' });
    expect(await stolen.flow()).toMatchObject({ status: 0 });

    const elsewhere = { ...made.address, prefix: `${made.address.prefix}-elsewhere` };
    const ledger = openRedisLedger(elsewhere);
    await ledger.restore(kept);
    const network = { kind: 'Network', name: 'new', attach: { direct: true } } as const;
    await ledger.append(kept.at(-1)?.hash ?? '', 'other', [{ type: 'resource-put', resource: network }]);
    await ledger.close();
    expect(redis.cli('rename', ledgerKey(elsewhere.prefix), ledgerKey(made.address.prefix))).toBe('OK');
    await expect.poll(() => server.metric('postern_ledger_lost_files'), soon).toBe(1);
    const made_ = (await inStore())
      .slice(kept.length)
      .map(({ actor, data }) => [actor, JSON.parse(data) as unknown]);
    expect(made_).toMatchObject([
      ['other', { type: 'resource-put' }],
      [
        'postern:recovery',
        { type: 'device-state-changed', device: stolen.id, state: 'revoked', reason: 'stolen' },
      ],
    ]);
    expect((await api('GET', '/v1/resources/Network/new')).status).toBe(200);
    expect(await stolen.flow()).toMatchObject({ status: 0 });
    expect(await other.flow()).toEqual(passes);
    // By the very worker and connection that were there before.
    expect(other.connection()).toBe(connection);
    const state = await api('POST', `/v1/devices/${other.id}/state`, { state: 'revoked', reason: 'test' });
    expect(state.body).toMatchObject({ workersPending: 0 });
    expect(await other.flow()).toMatchObject({ status: 0 });
    expect(await server.readyz()).toMatchObject({ status: 200, body: { troubles: ['ledger rewound'] } });
  });

  it('do not start on what is too old, or on nothing, while Redis is away', async () => {
    const other = await made.anotherServer();
    await (await serve(other.configFile, 'gateway')).kill();
    await redis.kill();
    const inStep = join(other.data, 'ledger-replica.db.in-step');
    await writeFile(inStep, `${Date.now() - 25 * 3_600_000}\n`);
    await expect(serve(other.configFile, 'gateway')).rejects.toThrow(
      /ended with 2: .*ECONNREFUSED.*has not seen the ledger since .*does not know who was revoked/s,
    );
    await writeFile(inStep, `${Date.now() - 3_600_000}\n`);
    await (await serve(other.configFile, 'gateway')).kill();
    for (const name of ['ledger-replica.db', 'ledger.db.snapshot'])
      await rm(join(other.data, name), { force: true });
    await expect(serve(other.configFile, 'gateway')).rejects.toThrow(
      'this server has no replica to start from',
    );
    await redis.restart();
    redis.cli('flushall');
    await expect(serve(other.configFile, 'gateway')).rejects.toThrow(
      'bring it there with `postern ledger copy`',
    );
  });
});
