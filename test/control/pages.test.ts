import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ControlEvent } from '../../src/domain/events.ts';
import { enrolled, tokenCreated } from '../ledger/samples.ts';
import { startControlLab } from './control-lab.ts';
import type { ControlLab } from './control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

const add = (...events: ControlEvent[]): Promise<unknown> =>
  lab.store.commit('test', () => ({ events, value: true }));
const device = (id: string): ControlEvent[] => [tokenCreated(`t-${id}`), enrolled(id, `t-${id}`)];

async function readAll(path: string, member: string, each: () => Promise<unknown>): Promise<string[]> {
  const names: string[] = [];
  let query = '?limit=3';
  for (;;) {
    const { status, body } = await lab.ask('GET', `${path}${query}`);
    expect(status).toBe(200);
    const items = body[member] as { id?: string; name?: string }[];
    expect(items.length).toBeLessThanOrEqual(3);
    names.push(...items.map(({ id, name }) => id ?? name ?? ''));
    if (body.next === undefined) return names;
    query = `?limit=3&cursor=${encodeURIComponent(body.next)}`;
    await each();
  }
}

it('shows each device once and none twice, while others come before and behind the page', async () => {
  const ids = Array.from({ length: 10 }, (_, index) => `d-${index}5`);
  for (const id of ids) await add(...device(id));
  let come = 0;
  const shown = await readAll('/v1/devices', 'devices', async () => {
    await add(...device(`d-${come}0`), ...device(`d-${9 - come}9`));
    come += 1;
  });
  expect(new Set(shown).size).toBe(shown.length);
  expect(shown).toEqual(expect.arrayContaining(ids));
  expect(shown).toEqual([...shown].sort());
});

it('shows resources so too, and goes on behind one that was deleted meanwhile', async () => {
  const names = Array.from({ length: 8 }, (_, index) => `g${index}`);
  const resources = names.map((name) => ({ kind: 'Group', name, members: [] }));
  await lab.ask('POST', '/v1/apply', { body: { resources } });
  const shown = await readAll('/v1/resources/groups', 'resources', async () => {
    await lab.ask('DELETE', '/v1/resources/group/g2');
  });
  expect(shown).toEqual(names);
  expect((await lab.ask('GET', '/v1/resources/groups')).body.resources).toHaveLength(7);
});

it('refuses a cursor of another list, one that is none, and a limit that is none', async () => {
  const { body } = await lab.ask('GET', '/v1/access-log?limit=1');
  for (const cursor of ['x', body.next, Buffer.from('{"after":1}').toString('base64url')])
    expect(await lab.ask('GET', `/v1/devices?cursor=${cursor}`), cursor).toMatchObject({
      status: 400,
      body: { problems: ['cursor: is none of this list; begin without one'] },
    });
  for (const limit of ['0', '-1', '1e3', '10000', ''])
    expect(await lab.ask('GET', `/v1/devices?limit=${limit}`), limit).toMatchObject({ status: 400 });
});
