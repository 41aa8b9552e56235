import Fastify from 'fastify';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { guardAdministration } from '../../src/control/administration.ts';
import { rolesOf } from '../../src/control/api/administrator-roles.ts';
import type { ControlApp } from '../../src/control/api/control-parts.ts';
import { roles } from '../../src/domain/administration.ts';
import type { Role } from '../../src/domain/administration.ts';
import type { UserName } from '../../src/domain/ids.ts';
import type { Administrator } from '../../src/domain/resources.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab } from './control-lab.ts';

let lab: ControlLab;
const keys = new Map<Role, string>();
beforeAll(async () => {
  lab = await startControlLab();
  for (const role of roles) keys.set(role, await lab.makeKey({ role }));
});
afterAll(() => lab.close());

const staff = { kind: 'Group', name: 'staff', members: [] };
const administrator = (more: Partial<Administrator> = {}): Administrator => ({
  kind: 'Administrator',
  name: 'team',
  role: 'security',
  members: ['alice@example.org'],
  ...more,
});

describe('a role', () => {
  const device = '/v1/devices/none';
  const setTo = (state: string) => ({ state, reason: 'test' });
  const everyone = roles;
  it.each<[what: string, admitted: readonly Role[], method: string, path: string, body?: object]>([
    ['lists devices', everyone, 'GET', '/v1/devices'],
    ['reads a device', everyone, 'GET', device],
    ['quarantines', ['owner', 'security', 'helpdesk'], 'POST', `${device}/state`, setTo('quarantined')],
    ['releases', ['owner', 'security', 'helpdesk'], 'POST', `${device}/state`, setTo('active')],
    ['revokes', ['owner', 'security'], 'POST', `${device}/state`, setTo('revoked')],
    ['reports lost', ['owner', 'security'], 'POST', `${device}/state`, setTo('lost')],
    ['lists resources', ['owner', 'security', 'soc', 'auditor'], 'GET', '/v1/resources/app'],
    ['reads a resource', ['owner', 'security', 'soc', 'auditor'], 'GET', '/v1/resources/app/none'],
    ['applies', ['owner', 'security'], 'POST', '/v1/apply', { resources: [] }],
    ['deletes', ['owner', 'security'], 'DELETE', '/v1/resources/app/none'],
    ['deletes administrators', ['owner'], 'DELETE', '/v1/resources/administrator/none'],
    ['makes enrollment tokens', ['owner', 'security'], 'POST', '/v1/enrollment-tokens', { user: 'a@b.c' }],
    ['asks why', everyone, 'POST', '/v1/why', { user: 'a', device: 'b', app: 'c' }],
    ['lists API keys', ['owner', 'auditor'], 'GET', '/v1/api-keys'],
    ['makes API keys', ['owner'], 'POST', '/v1/api-keys', { name: 'made', role: 'soc' }],
    ['revokes API keys', ['owner'], 'DELETE', '/v1/api-keys/none'],
    ['revokes the API keys of a person', ['owner'], 'POST', '/v1/api-keys/revoke', { person: 'a@b.c' }],
  ])('%s only where it is %j', async (_what, admitted, method, path, body) => {
    for (const role of roles) {
      const key = keys.get(role) ?? null;
      const before = lab.store.state.head.sequence;
      const answer = await lab.ask(method, path, { key, ...(body === undefined ? {} : { body }) });
      if (admitted.includes(role)) {
        expect([200, 404], `${role}: ${answer.text}`).toContain(answer.status);
        continue;
      }
      expect(answer, role).toMatchObject({ status: 403, body: { code: 'role-missing' } });
      for (const able of admitted) expect(answer.body.detail).toContain(able);
      expect(lab.store.state.head.sequence).toBe(before);
    }
  });

  it('is declared by each route of administrators, or the server does not start', async () => {
    const handler = async (): Promise<object> => ({});
    const attempt = async (config: object): Promise<void> => {
      const app = Fastify() as unknown as ControlApp;
      guardAdministration(app, lab.parts);
      app.get('/v1/secrets', { config }, handler);
      await app.ready();
    };
    await expect(attempt({})).rejects.toThrow('GET /v1/secrets does not say which roles it admits');
    await expect(attempt({ roles: [] })).rejects.toThrow('does not say which roles it admits');
    await expect(attempt({ roles: ['king'] })).rejects.toThrow('GET /v1/secrets admits king');
    await expect(attempt({ roles: ['owner'] })).resolves.toBeUndefined();
  });
});

describe('who administers', () => {
  const apply = (key: string | null, ...resources: object[]) =>
    lab.ask('POST', '/v1/apply', { key, body: { resources } });

  it('is changed by owners alone, in whatever company the change comes', async () => {
    const security = keys.get('security') ?? null;
    const before = lab.store.state.head.sequence;
    expect(await apply(security, staff, administrator({ role: 'owner' }))).toMatchObject({
      status: 403,
      body: { code: 'role-missing', detail: 'api-key:security-2 is security; this takes owner' },
    });
    expect(lab.store.state.head.sequence).toBe(before);
    expect(await apply(lab.apiKey, administrator())).toMatchObject({ status: 200 });
    // Unchanged, it is no change; changed, it is one.
    expect(await apply(security, staff, administrator())).toMatchObject({ status: 200 });
    expect(await apply(security, administrator({ members: ['mallory@example.org'] }))).toMatchObject({
      status: 403,
    });
    expect([...lab.store.state.administrators.values()]).toEqual([administrator()]);
  });

  it('is not pruned with resources that the files do not hold, and is deleted by name', async () => {
    await apply(lab.apiKey, administrator());
    const pruned = await lab.ask('POST', '/v1/apply', { body: { resources: [], prune: true } });
    expect(pruned.body.changes).not.toContainEqual(expect.objectContaining({ kind: 'Administrator' }));
    expect(lab.store.state.administrators.size).toBe(1);
    expect(await lab.ask('DELETE', '/v1/resources/administrator/team')).toMatchObject({ status: 200 });
    expect(lab.store.state.administrators.size).toBe(0);
  });

  it('is known by name or by claim, with every role that either gives, and nobody else is', () => {
    const administrators = new Map(
      [
        administrator({ name: 'a', role: 'auditor' }),
        administrator({ name: 'b', role: 'owner', members: { claim: 'groups', value: 'it-owners' } }),
        administrator({ name: 'c', role: 'soc', members: { claim: 'toString', value: 'x' } }),
        administrator({ name: 'd', role: 'auditor', members: ['bob@example.org'] }),
      ].map((each) => [each.name, each]),
    );
    const of = (user: string, claims: Record<string, readonly string[]> = {}): readonly Role[] =>
      rolesOf({ administrators }, { user: user as UserName, claims });
    expect(of('alice@example.org', { groups: ['staff', 'it-owners'] })).toEqual(['owner', 'auditor']);
    expect(of('alice@example.org', { groups: ['staff'] })).toEqual(['auditor']);
    expect(of('bob@example.org')).toEqual(['auditor']);
    expect(of('carol@example.org', { groups: ['it-owners'] })).toEqual(['owner']);
    expect(of('ALICE@example.org')).toEqual([]);
    expect(of('carol@example.org', { roles: ['it-owners'] })).toEqual([]);
  });
});
