import { afterAll, beforeAll, expect, it } from 'vitest';
import { redirectUri, startSignInLab } from '../sign-in-lab.ts';
import type { SignInLab } from '../sign-in-lab.ts';

let lab: SignInLab;
beforeAll(async () => {
  lab = await startSignInLab({}, { approvals: 2 });
  await lab.control.store.commit('test', () => ({
    events: [
      {
        type: 'resource-put',
        resource: {
          kind: 'Administrator',
          name: 'owners',
          role: 'owner',
          members: ['alice@example.org', 'bob@example.org'] as never,
        },
      },
    ],
    value: true,
  }));
});
afterAll(() => lab.close());

const post = (where: string, key: string | null, body?: unknown) =>
  lab.control.ask('POST', where, { key, ...(body === undefined ? {} : { body }) });

async function signIn(account: string): Promise<string> {
  lab.provider.person = { account };
  const path = '/v1/sign-in/administrator';
  const { body } = await post(path, null, { flow: 'code', redirectUri });
  const parameters = (await lab.visit(String(body.authorizationUrl))).slice(1);
  const done = await post(`${path}/complete`, null, { transaction: body.transaction, parameters });
  return String(done.body.token);
}

const apply = async (key: string, name: string): Promise<string> => {
  const resource = { kind: 'Policy', name, cedar: 'forbid (principal, action, resource);' };
  const { body } = await post('/v1/apply', key, { resources: [resource] });
  return (body.waiting as { id: string }).id;
};
const approve = (key: string, id: string) => post(`/v1/changes/${id}/approve`, key);
const own = { status: 403, body: { code: 'own-proposal' } };

it('takes a sign-in, another sign-in and the keys made in them for the one person that they are of', async () => {
  const alice = await signIn('alice');
  const made = await post('/v1/api-keys', alice, { name: 'alice-ci', role: 'owner' });
  expect(made.body).toMatchObject({ apiKey: { person: 'alice@example.org' } });
  const first = String(made.body.key);
  const key = String((await post('/v1/api-keys', first, { name: 'alice-ci-2', role: 'owner' })).body.key);
  const again = await signIn('alice');
  const bob = await signIn('bob');

  const byHand = await apply(alice, 'by-hand');
  for (const same of [alice, again, first, key]) expect(await approve(same, byHand)).toMatchObject(own);
  const byKey = await apply(key, 'by-key');
  for (const same of [alice, again, first, key]) expect(await approve(same, byKey)).toMatchObject(own);
  expect(lab.control.store.state.policies.size).toBe(0);

  expect(await approve(bob, byHand)).toMatchObject({ status: 200, body: { applied: true } });
  const bobs = String((await post('/v1/api-keys', bob, { name: 'bob', role: 'security' })).body.key);
  expect(await approve(bobs, byKey)).toMatchObject({ status: 200, body: { applied: true } });
  expect([...lab.control.store.state.policies.keys()].sort()).toEqual(['by-hand', 'by-key']);
});

it('ends all keys of a person who leaves, with those made by them, and nobody else’s', async () => {
  const [alice, bob] = [await signIn('alice'), await signIn('bob')];
  const make = async (name: string, maker: string): Promise<string> =>
    String((await post('/v1/api-keys', maker, { name, role: 'owner' })).body.key);
  const first = await make('leaving-1', alice);
  const second = await make('leaving-2', first);
  const staying = await make('staying', bob);
  const list = (key: string) => lab.control.ask('GET', '/v1/api-keys', { key });
  for (const key of [first, second, staying]) expect(await list(key)).toMatchObject({ status: 200 });

  const before = lab.control.store.state.head.sequence;
  const revoke = (person: string) => post('/v1/api-keys/revoke', bob, { person });
  expect(await revoke('Alice@example.org')).toMatchObject({ status: 404, body: { code: 'not-found' } });
  expect(lab.control.store.state.head.sequence).toBe(before);
  const { body } = await revoke('alice@example.org');
  const ended = (body.apiKeys as { name: string; revokedAt?: number }[]).filter(
    ({ revokedAt }) => revokedAt !== undefined,
  );
  expect(ended.map(({ name }) => name)).toEqual(expect.arrayContaining(['leaving-1', 'leaving-2']));
  for (const key of [first, second])
    expect(await list(key)).toMatchObject({ status: 401, body: { code: 'api-key-invalid' } });
  expect(await list(staying)).toMatchObject({ status: 200 });

  // One event a key, by who did it; asked again, there is nothing left to do.
  const entries = [];
  for await (const entry of lab.control.ledger.read(before)) entries.push(entry);
  expect(entries.map(({ actor }) => actor)).toEqual(ended.map(() => 'user:bob@example.org'));
  expect(entries.map(({ data }) => JSON.parse(data) as unknown)).toEqual(
    ended.map(() => ({ type: 'api-key-revoked', id: expect.any(String) as unknown })),
  );
  expect(await revoke('alice@example.org')).toMatchObject({ status: 200, body: { apiKeys: [] } });
});
