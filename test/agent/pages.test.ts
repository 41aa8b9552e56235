import { afterAll, beforeAll, expect, it } from 'vitest';
import { Value } from 'typebox/value';
import { AgentStatus } from '../../agent/status.ts';
import { ask } from './lab/proxy-client.ts';
import { makeWorld, postureOf } from './lab/world.ts';
import type { Laptop, World } from './lab/world.ts';

let world: World;
let laptop: Laptop;
beforeAll(async () => {
  world = await makeWorld();
  laptop = await world.startLaptop({ posture: postureOf('unknown') });
  await laptop.reach('connected');
});
afterAll(() => world.close());

it('shows the status at / and as JSON, measured by probes of the whole path', async () => {
  const before = world.gateway.requests.length;
  const { headers, body } = await ask(laptop.port, '/status');
  const status: unknown = JSON.parse(body);
  expect(Value.Check(AgentStatus, status)).toBe(true);
  expect(status).toMatchObject({
    state: 'connected',
    device: 'd-laptop',
    user: 'alice@example.org',
    proxy: `127.0.0.1:${laptop.port}`,
    probe: { control: { ok: true }, gateway: { ok: true } },
    gateway: { name: 'gateway.example.org', address: world.gateway.address },
    certificateExpiresAt: world.device.notAfter,
    key: 'file' as const,
    posture: { checks: { diskEncrypted: 'unknown' }, reasons: { diskEncrypted: 'lab' } },
    apps: [{ name: 'grants' }, { name: 'ledger', ports: [5432] }],
  });
  expect(headers['access-control-allow-origin']).toBeUndefined();
  expect(world.gateway.requests.slice(before).map((request) => request.headers[':path'])).toEqual([
    '/.well-known/postern/status',
  ]);
  const page = await ask(laptop.port, '/');
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  expect(page.body).toContain('<td>d-laptop</td>');
});

it.each([
  ['/', 'GET', { host: 'evil.example' }, 421, 'server-name-unknown'],
  ['/status', 'GET', { host: 'grants.apps.example.org' }, 421, 'server-name-unknown'],
  ['/proxy.pac', 'GET', { host: '127.0.0.1' }, 421, 'server-name-unknown'],
  ['/proxy.pac', 'GET', { host: '127.0.0.1:1' }, 421, 'server-name-unknown'],
  ['/status', 'GET', { 'sec-fetch-site': 'cross-site' }, 403, 'cross-site-request'],
  ['/proxy.pac', 'GET', { 'sec-fetch-site': 'same-site' }, 403, 'cross-site-request'],
  ['/status', 'GET', { origin: 'https://evil.example' }, 403, 'cross-site-request'],
  ['/status', 'GET', { origin: 'null' }, 403, 'cross-site-request'],
  ['/status', 'POST', { origin: 'http://127.0.0.1' }, 403, 'cross-site-request'],
  ['/status', 'POST', {}, 405, 'method-not-allowed'],
  ['/', 'OPTIONS', { 'access-control-request-method': 'POST' }, 405, 'method-not-allowed'],
  ['/stop', 'GET', {}, 404, 'not-found'],
  ['/__proto__', 'GET', {}, 404, 'not-found'],
  ['/status?x=1', 'GET', {}, 404, 'not-found'],
  ['//127.0.0.1/', 'GET', {}, 404, 'not-found'],
] as const)('refuses %s with %s and %j', async (path, method, headers, status, code) => {
  const before = world.gateway.requests.length;
  const answer = await ask(laptop.port, path, { method, headers });
  expect([answer.status, JSON.parse(answer.body)]).toEqual([status, expect.objectContaining({ code })]);
  expect(answer.headers['access-control-allow-origin']).toBeUndefined();
  expect(world.gateway.requests.length).toBe(before);
});

it('says that nothing passes while its connection is open, when that is so', async () => {
  world.gateway.refuseAll = 'device-quarantined';
  const status = await laptop.status();
  world.gateway.refuseAll = undefined;
  expect(status).toMatchObject({
    state: 'refused',
    probe: { gateway: { ok: false, code: 'device-quarantined' } },
  });
  expect((await laptop.status()).state).toBe('connected');
});
