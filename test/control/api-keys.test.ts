import { afterAll, beforeAll, expect, it } from 'vitest';
import { createApiKey } from '../../src/control/api/api-key.ts';
import { startControlLab } from './control-lab.ts';
import type { Answer, ControlLab } from './control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

const create = (body: object, key?: string): Promise<Answer> =>
  lab.ask('POST', '/v1/api-keys', { body, ...(key === undefined ? {} : { key }) });
const revoke = (id: string): Promise<Answer> => lab.ask('DELETE', `/v1/api-keys/${id}`);

it('is made for a role, shown once, listed without its hash, and revoked for good', async () => {
  const { status, body } = await create({ name: 'ci', role: 'security' });
  expect(status).toBe(200);
  expect(body.apiKey).toMatchObject({ name: 'ci', role: 'security' });
  expect(await lab.ask('GET', '/v1/resources/app', { key: body.key })).toMatchObject({ status: 200 });
  const listed = await lab.ask('GET', '/v1/api-keys');
  expect(listed.body.apiKeys).toContainEqual(body.apiKey);
  for (const { secretHash } of lab.store.state.apiKeys.values())
    expect(listed.text).not.toContain(secretHash);
  expect((await revoke(body.apiKey.id)).body.apiKey.revokedAt).toBeGreaterThan(0);
  expect(await lab.ask('GET', '/v1/resources/app', { key: body.key })).toMatchObject({
    status: 401,
    body: { code: 'api-key-invalid' },
  });
  expect(await revoke(body.apiKey.id)).toMatchObject({ status: 409, body: { code: 'state-final' } });
  expect(await create({ name: 'ci', role: 'soc' })).toMatchObject({
    status: 409,
    body: { code: 'name-taken' },
  });
});

it('has no id that a command would take for an option', () => {
  for (let n = 0; n < 1000; n += 1)
    expect(createApiKey({ name: 'a', role: 'soc' }).event.id).toMatch(/^[A-Za-z0-9_][A-Za-z0-9_-]{15}$/);
});

it('tells who has the secret of an expired key that it expired, and nobody else', async () => {
  const { body } = await create({ name: 'short', role: 'auditor', ttlSeconds: 3600 });
  const ask = (key: string) => lab.ask('GET', '/v1/devices', { key });
  lab.pass(3_590_000);
  expect(await ask(body.key)).toMatchObject({ status: 200 });
  lab.pass(11_000);
  expect(await ask(body.key)).toMatchObject({
    status: 401,
    headers: { 'www-authenticate': 'Bearer realm="postern"' },
    body: { code: 'api-key-expired' },
  });
  const [, id = ''] = String(body.key).split('.');
  expect(await ask(`pak1.${id}.${'A'.repeat(43)}`)).toMatchObject({ body: { code: 'api-key-invalid' } });
});

it('does what its scopes say and nothing beside, whatever its role', async () => {
  const key = await lab.makeKey({ role: 'owner', scopes: ['devices:read', 'resources:write'] });
  expect(await lab.ask('GET', '/v1/devices', { key })).toMatchObject({ status: 200 });
  expect(await lab.ask('POST', '/v1/apply', { key, body: { resources: [] } })).toMatchObject({ status: 200 });
  const administrator = { kind: 'Administrator', name: 'me', role: 'owner', members: ['me@example.org'] };
  for (const [method, path, body, scope] of [
    ['POST', '/v1/devices/x/state', { state: 'active', reason: 'x' }, 'devices:write'],
    ['GET', '/v1/resources/app', undefined, 'resources:read'],
    ['POST', '/v1/api-keys', { name: 'free', role: 'owner' }, 'api-keys:write'],
    ['POST', '/v1/apply', { resources: [administrator] }, 'administrators:write'],
    ['DELETE', '/v1/resources/administrator/me', undefined, 'administrators:write'],
  ] as const)
    expect(await lab.ask(method, path, { key, ...(body === undefined ? {} : { body }) }), path).toMatchObject(
      {
        status: 403,
        body: { code: 'scope-missing', detail: expect.stringContaining(`this takes ${scope}`) },
      },
    );
});

it('gives no scope on that it does not have', async () => {
  const key = await lab.makeKey({ role: 'owner', scopes: ['api-keys:write', 'devices:read'] });
  const refused = { status: 403, body: { code: 'scope-missing' } };
  expect(await create({ name: 'all', role: 'owner' }, key)).toMatchObject(refused);
  expect(await create({ name: 'more', role: 'owner', scopes: ['devices:write'] }, key)).toMatchObject(
    refused,
  );
  expect(await create({ name: 'fewer', role: 'soc', scopes: ['devices:read'] }, key)).toMatchObject({
    status: 200,
  });
});

it('lasts no longer than the key that made it, or stolen hours become years', async () => {
  const maker = String((await create({ name: 'hour', role: 'owner', ttlSeconds: 3600 })).body.key);
  const before = lab.store.state.head.sequence;
  const refused = { status: 403, body: { code: 'key-outlives-maker' } };
  expect(await create({ name: 'child', role: 'owner' }, maker)).toMatchObject(refused);
  const longer = await create({ name: 'child', role: 'soc', ttlSeconds: 3700 }, maker);
  expect(longer).toMatchObject(refused);
  expect(longer.body.detail).toMatch(
    /^api-key:hour expires at \d{4}-\S+Z; a key that it makes may last 3[56]\d\d seconds at most, and this one would last 3700$/,
  );
  expect(lab.store.state.head.sequence).toBe(before);

  const child = await create({ name: 'child', role: 'owner', ttlSeconds: 1800 }, maker);
  expect(child.status).toBe(200);
  expect(await create({ name: 'grandchild', role: 'soc', ttlSeconds: 1900 }, child.body.key)).toMatchObject(
    refused,
  );
  expect(await create({ name: 'lasting', role: 'soc' })).toMatchObject({ status: 200 });
});

it('refuses a scope that there is not, a role that there is not, and a name that could redraw a log', async () => {
  const before = lab.store.state.head.sequence;
  expect((await create({ name: 'a', role: 'soc', scopes: ['devises:read'] })).body.problems).toEqual([
    expect.stringContaining(
      'scopes: there is no scope devises:read; there are access-log:read, administrators:write,',
    ),
  ]);
  expect(await create({ name: 'a', role: 'king' })).toMatchObject({ status: 400 });
  expect(await create({ name: 'a\nb', role: 'soc' })).toMatchObject({ status: 400 });
  expect(await create({ name: 'a', role: 'soc', scopes: [] })).toMatchObject({ status: 400 });
  expect(lab.store.state.head.sequence).toBe(before);
});

it('keeps one key of an owner that is not narrowed and does not expire, even where two owners race', async () => {
  const fresh = await startControlLab();
  try {
    const make = async (more: object): Promise<{ id: string; key: string }> => {
      const { body } = await fresh.ask('POST', '/v1/api-keys', { body: { role: 'owner', ...more } });
      return { id: body.apiKey.id, key: body.key };
    };
    const first = [...fresh.store.state.apiKeys.keys()][0] ?? '';
    await make({ name: 'narrowed', scopes: ['devices:read'] });
    await make({ name: 'expiring', ttlSeconds: 3600 });
    expect(await fresh.ask('DELETE', `/v1/api-keys/${first}`)).toMatchObject({
      status: 409,
      body: { code: 'last-owner' },
    });
    const second = await make({ name: 'second' });
    const race = await Promise.all([
      fresh.ask('DELETE', `/v1/api-keys/${first}`, { key: second.key }),
      fresh.ask('DELETE', `/v1/api-keys/${second.id}`),
    ]);
    expect(race.map(({ status }) => status).filter((status) => status === 200)).toHaveLength(1);
    const left = [...fresh.store.state.apiKeys.values()].filter(
      ({ role, scopes, expiresAt, revokedAt }) =>
        role === 'owner' && scopes === undefined && expiresAt === undefined && revokedAt === undefined,
    );
    expect(left).toHaveLength(1);
  } finally {
    await fresh.close();
  }
});
