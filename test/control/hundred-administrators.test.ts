import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createApiKey } from '../../src/control/api/api-key.ts';
import { startControlLab } from './control-lab.ts';
import type { Answer, ControlLab } from './control-lab.ts';

vi.setConfig({ testTimeout: 90_000, hookTimeout: 60_000 });

let lab: ControlLab;
let keys: string[];
beforeAll(async () => {
  lab = await startControlLab();
  const made = Array.from({ length: 100 }, (_, n) => createApiKey({ name: `admin-${n}`, role: 'security' }));
  await lab.store.commit('test', () => ({ events: made.map(({ event }) => event), value: true }));
  keys = made.map(({ key }) => key);
});
afterAll(() => lab.close());

const group = (name: string, members: readonly string[]) => ({ kind: 'Group', name, members });

/** How often each group was put, and by whom, as the ledger has it. */
async function putsAfter(sequence: number): Promise<{ name: string; actor: string }[]> {
  const puts: { name: string; actor: string }[] = [];
  for await (const { data, actor } of lab.ledger.read(sequence)) {
    const event = JSON.parse(data) as { type: string; resource?: { name: string } };
    if (event.type === 'resource-put') puts.push({ name: event.resource?.name ?? '', actor });
  }
  return puts;
}

/** As a client does whose connection may have broken off: the same request, with the same key, until it is answered. */
async function insist(key: string, body: object): Promise<Answer> {
  const headers = { 'idempotency-key': randomUUID() };
  const send = async (): Promise<Answer> => {
    for (;;) {
      const answer = await lab.ask('POST', '/v1/apply', { key, body, headers });
      if (answer.body.code !== 'request-in-progress') return answer;
    }
  };
  const [one, other] = await Promise.all([send(), send()]);
  expect(other.body).toEqual(one.body);
  return one;
}

it('lets a hundred administrators change at once: nothing is lost, nothing is applied twice', async () => {
  const before = lab.store.state.head.sequence;
  const answers = await Promise.all(
    keys.map((key, n) => insist(key, { resources: [group(`own-${n}`, [`u${n}@example.org`])] })),
  );
  expect(answers.map(({ status }) => status)).toEqual(keys.map(() => 200));
  const puts = await putsAfter(before);
  expect(puts.map(({ name, actor }) => `${actor} ${name}`).sort()).toEqual(
    keys.map((_, n) => `api-key:admin-${n} own-${n}`).sort(),
  );
  for (const [n] of keys.entries())
    expect(lab.store.state.groups.get(`own-${n}`)).toEqual(group(`own-${n}`, [`u${n}@example.org`]));
});

it('loses nobody that one adds to a list which others change at the same time', async () => {
  const writers = keys.slice(0, 12);
  await lab.ask('POST', '/v1/apply', { body: { resources: [group('shared', [])] } });
  let refused = 0;
  const addMember = async (key: string, member: string): Promise<void> => {
    for (;;) {
      const list = await lab.ask('GET', '/v1/resources/groups', { key });
      const shared = (list.body.resources as { name: string; members: string[] }[]).find(
        ({ name }) => name === 'shared',
      );
      const { status } = await lab.ask('POST', '/v1/apply', {
        key,
        body: { resources: [group('shared', [...(shared?.members ?? []), member])] },
        headers: { 'if-match': list.headers.etag ?? '' },
      });
      if (status === 200) return;
      expect(status).toBe(412);
      refused += 1;
    }
  };
  const members = writers.map((_, n) => `m${n}@example.org`);
  await Promise.all(writers.map((key, n) => addMember(key, members[n] ?? '')));
  const stored = lab.store.state.groups.get('shared')?.members;
  expect([...(stored as string[])].sort()).toEqual(members.toSorted());
  // They did get in each other's way, or this showed nothing.
  expect(refused).toBeGreaterThan(0);
});
