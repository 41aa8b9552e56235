import { afterAll, beforeAll, expect, it } from 'vitest';
import { createResourceHistory } from '../../src/control/changes/resource-history.ts';
import { network as makeNetwork } from '../lab/resources.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab } from './control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

const network = makeNetwork({ attach: { direct: true } });
const policy = (name: string, text: string) => ({
  kind: 'Policy',
  name,
  cedar: `${text} (principal, action, resource);`,
});

async function apply(...resources: object[]): Promise<string> {
  const answer = await lab.ask('POST', '/v1/apply', { body: { resources } });
  expect(answer.status).toBe(200);
  return answer.body.version as string;
}

it('takes the policies back and leaves a revoked device revoked', async () => {
  const { device } = await lab.enroll('alice@example.org');
  const before = await apply(network, policy('all', 'permit'));
  await apply(policy('all', 'forbid'), policy('more', 'permit'));
  await lab.ask('POST', `/v1/devices/${device}/state`, { body: { state: 'revoked', reason: 'stolen' } });
  const answer = await lab.ask('POST', `/v1/versions/${before}/rollback`, { body: {} });
  expect(answer).toMatchObject({ status: 200, body: { applied: true } });
  expect(answer.body.changes).toEqual([
    { action: 'update', kind: 'Policy', name: 'all' },
    { action: 'delete', kind: 'Policy', name: 'more' },
  ]);
  const { state } = lab.store;
  expect(state.policies.get('all')).toEqual(policy('all', 'permit'));
  expect([...state.devices.values()].map((each) => each.state)).toEqual(['revoked']);
});

it('gives the resources of any head, also of one that changed a device', async () => {
  const version = await apply(policy('all', 'forbid'));
  await lab.enroll('bob@example.org');
  const { sequence } = lab.store.state.head;
  const [then, now] = [
    await lab.ask('GET', `/v1/versions/${version}`),
    await lab.ask('GET', `/v1/versions/${sequence}`),
  ];
  expect(now.body.version).toMatch(new RegExp(`^${sequence}-`));
  expect(now.body.resources).toEqual(then.body.resources);
  expect(then.body.resources).toContainEqual(policy('all', 'forbid'));
});

it.each(['0', '1000000', '1-00000000', '01', 'now', '1e3', '-1'])('has no version %s', async (version) => {
  expect(await lab.ask('GET', `/v1/versions/${version}`)).toMatchObject({
    status: 404,
    body: { code: 'not-found' },
  });
  expect(await lab.ask('POST', `/v1/versions/${version}/rollback`, { body: {} })).toMatchObject({
    status: 404,
  });
});

it('gives the same for a version, whichever were asked for before it', async () => {
  const [first, second] = [
    await apply(policy('d', 'permit')),
    await apply(policy('d', 'forbid'), policy('e', 'permit')),
  ];
  const fresh = createResourceHistory(lab.store);
  for (const version of [first, second, first]) {
    const [warm, cold] = [await fresh.at(version), await createResourceHistory(lab.store).at(version)];
    expect(warm).toEqual(cold);
  }
  expect(await fresh.at(second)).toMatchObject({
    resources: expect.arrayContaining([policy('d', 'forbid')]) as unknown,
  });
});

it('lists a whole append as one version, newest first, a page at a time', async () => {
  const version = await apply(policy('a', 'permit'), policy('b', 'permit'));
  const next = await apply(policy('a', 'forbid'));
  const page = await lab.ask('GET', '/v1/versions?limit=2');
  expect(page.body.versions).toMatchObject([
    { version: next, changes: [{ action: 'update', kind: 'Policy', name: 'a' }], changeCount: 1 },
    { version, changeCount: 2 },
  ]);
  const { sequence } = page.body.versions[1];
  const older = await lab.ask('GET', `/v1/versions?before=${sequence}&limit=1`);
  expect(older.body.versions[0].sequence).toBeLessThan(sequence);
  expect(await lab.ask('GET', '/v1/versions?limit=0')).toMatchObject({ status: 400 });
});

it('keeps a bounded list of changes, the newest of them', async () => {
  await apply(policy('c', 'permit'));
  const newest = await apply(policy('c', 'forbid'));
  const history = createResourceHistory(lab.store, { maxListed: 1 });
  expect(await history.list({ limit: 50 })).toMatchObject([{ version: newest }]);
  expect(await history.at('1')).toMatchObject({ resources: [] });
});
