import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import type { UserName } from '../../../src/domain/ids.ts';
import { createFlowRecorder } from '../../../src/flow/recorder.ts';
import { allowedFacts, answered, monday, subject } from '../../flow/samples.ts';
import { startControlLab } from '../control-lab.ts';
import type { Answer, ControlLab } from '../control-lab.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const alice = 'alice@example.org';
const monthMs = 31 * 86_400_000;
let lab: ControlLab;
const pseudonyms: string[] = [];
/** Alice in three months, the first of which was before there were pseudonyms; and Bob. */
beforeAll(async () => {
  lab = await startControlLab({ pseudonyms: true });
  const flows = join(lab.directory, 'flows');
  mkdirSync(flows);
  let now = monday;
  const recorder = createFlowRecorder({
    directory: flows,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'boot-1',
    worker: 1,
    productVersion: '0.1.0',
    now: () => now,
  });
  const record = async (user: string, isNamed: boolean): Promise<void> => {
    const pseudonym = isNamed ? undefined : await lab.parts.people?.pseudonym(user, now);
    if (pseudonym !== undefined && user === alice) pseudonyms.push(pseudonym);
    const token = { ...subject.token, user: user as UserName, pseudonym, id: `${now}${user.slice(0, 3)}` };
    recorder.request(
      { ...allowedFacts, startedAt: now, subject: { ...subject, token } },
      { ...answered, endedAt: now },
    );
  };
  await record(alice, true);
  for (let month = 0; month < 2; month += 1) {
    now += monthMs;
    await record(alice, false);
    await record('bob@example.org', false);
  }
  recorder.close();
});
afterAll(() => lab.close());

const search = async (user: string, key: string): Promise<Answer> =>
  lab.ask('GET', `/v1/flows?since=${monday}&until=${monday + 3 * monthMs}&user=${user}`, { key });
const usersOf = ({ body }: Answer): unknown[] =>
  (body as { flows: { user: string }[] }).flows.map(({ user }) => user).toReversed();

it('who may know whom a pseudonym is of finds a person by name under all of them, and it is on record', async () => {
  const security = await lab.makeKey({ role: 'security' });
  expect(new Set(pseudonyms).size).toBe(2);
  expect(usersOf(await search(alice, security))).toEqual([alice, ...pseudonyms]);
  const counts = await lab.ask(
    'GET',
    `/v1/flows/summary?by=app&since=${monday}&until=${monday + 3 * monthMs}&user=${alice}`,
  );
  expect(counts.body.counts).toMatchObject([{ allowed: 3 }]);
  const { body } = await lab.ask('GET', '/v1/access-log');
  const target = { user: `person ${await lab.parts.people?.idOf(alice)}` };
  const [last, before] = (body as { accesses: unknown[] }).accesses;
  expect([last, before]).toMatchObject([{ target }, { target, count: 3 }]);
  expect(usersOf(await search('nobody@example.org', security))).toEqual([]);
});

it('the SOC finds by pseudonym, and is told by name what it may not', async () => {
  const soc = await lab.makeKey({ role: 'soc' });
  expect(usersOf(await search(pseudonyms[0] ?? '', soc))).toEqual([pseudonyms[0]]);
  for (const path of ['flows', 'flows/tail'])
    expect(await lab.ask('GET', `/v1/${path}?user=${alice}`, { key: soc })).toMatchObject({
      status: 403,
      body: { code: 'role-missing' },
    });
  const narrowed = await lab.makeKey({ role: 'owner', scopes: ['flows:read'] });
  expect((await search(alice, narrowed)).body).toMatchObject({ code: 'scope-missing' });
});
