import { execFile, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { AccessView } from '../../../src/contract/control-api.ts';
import { verifyFlows } from '../../../src/flow/verify/verify-flows.ts';
import { AccessRecord } from '../../../src/flow/schema/control.ts';
import { linesIn } from '../../lab/flow-records.ts';
import { validateOcsf } from '../../lab/ocsf.ts';
import { Value } from 'typebox/value';
import { startControlLab } from '../control-lab.ts';
import type { Answer, ControlLab } from '../control-lab.ts';

const run = promisify(execFile);
const hasPrlimit = spawnSync('prlimit', ['--version']).status === 0;
const hint = hasPrlimit ? '' : ' (skipped: apt-get install util-linux)';

let lab: ControlLab;
beforeEach(async () => {
  lab = await startControlLab();
});
afterEach(() => lab.close());

const directory = (): string => join(lab.directory, 'access');
const onDisk = (): AccessRecord[] => linesIn(directory()).map((line) => JSON.parse(line) as AccessRecord);
const read = (query = '', key?: string): Promise<Answer> =>
  lab.ask('GET', `/v1/access-log${query}`, key === undefined ? {} : { key });

it('has who read what, how many and from where, before the answer is there', async () => {
  const laptop = await lab.enroll('alice@example.org');
  const key = await lab.makeKey({ role: 'soc' });
  const askedAt = Date.now();
  await lab.ask('GET', '/v1/devices', { key });
  const [record] = onDisk();
  expect(record).toMatchObject({
    actor: { user: { name: 'api-key:soc-1', groups: [{ name: 'soc' }] } },
    src_endpoint: { ip: '127.0.0.1' },
    api: { operation: 'GET /v1/devices' },
    unmapped: { postern: { count: 1, target: {} } },
  });
  expect(record?.time).toBeGreaterThanOrEqual(askedAt);
  await lab.ask('GET', `/v1/devices/${laptop.device}`, { key });
  await lab.ask('POST', '/v1/apply', {
    body: { resources: ['a', 'b'].map((name) => ({ kind: 'Group', name, members: [] })) },
  });
  await lab.ask('GET', '/v1/resources/groups', { key });
  await lab.ask('GET', '/v1/api-keys');
  const what = onDisk().map(({ api, unmapped: { postern } }) => [
    api.operation,
    postern.target,
    postern.count,
  ]);
  expect(what.slice(1)).toEqual([
    ['GET /v1/devices/:id', { id: laptop.device }, 1],
    ['GET /v1/resources/:kind', { kind: 'groups' }, 2],
    ['GET /v1/api-keys', {}, 2],
  ]);
});

it('names whom a why was about, and holds nothing of what was refused, was not found or changed something', async () => {
  const laptop = await lab.enroll('alice@example.org');
  const soc = await lab.makeKey({ role: 'soc' });
  const question = { user: 'alice@example.org', device: laptop.device, app: 'none' };
  for (const [method, path, body] of [
    ['GET', '/v1/devices/none', undefined],
    ['POST', '/v1/why', question],
    ['POST', '/v1/enrollment-tokens', { user: 'bob@example.org' }],
    ['GET', '/v1/api-keys', undefined],
  ] as const)
    await lab.ask(method, path, { key: soc, ...(body === undefined ? {} : { body }) });
  expect(onDisk()).toEqual([]);
  const resources = [
    { kind: 'Network', name: 'n', attach: { direct: true } },
    {
      kind: 'App',
      name: 'a',
      network: 'n',
      host: 'a.b',
      protocol: 'http',
      upstreams: ['http://127.0.0.1:1'],
    },
  ];
  expect(await lab.ask('POST', '/v1/apply', { body: { resources } })).toMatchObject({ status: 200 });
  await lab.ask('POST', '/v1/why', { key: soc, body: { ...question, app: 'a' } });
  expect(onDisk().map(({ unmapped }) => unmapped.postern.target)).toEqual([{ ...question, app: 'a' }]);
});

it('is OCSF, and one chain in which a changed byte and a missing line are found', async () => {
  for (let count = 0; count < 3; count += 1)
    await lab.ask('GET', '/v1/devices', { headers: { 'x-forwarded-for': '10.9.9.9' } });
  for (const record of onDisk()) {
    expect(validateOcsf(record as unknown as Record<string, unknown>)).toEqual([]);
    expect([...Value.Errors(AccessRecord, record)]).toEqual([]);
    expect(JSON.stringify(record)).not.toContain('10.9.9.9');
  }
  expect(await verifyFlows(directory())).toMatchObject({ records: 3, problems: [], torn: [] });
  const file = join(directory(), readdirSync(directory()).find((name) => name.endsWith('.jsonl')) ?? '');
  const whole = readFileSync(file, 'utf8');
  writeFileSync(file, whole.replace('api-key:admin', 'api-key:nobod'));
  expect((await verifyFlows(directory())).problems).toMatchObject([{ kind: 'edited' }]);
  writeFileSync(file, whole.split('\n').toSpliced(1, 1).join('\n'));
  expect((await verifyFlows(directory())).problems).toMatchObject([{ kind: 'missing', from: 2, to: 2 }]);
});

it.skipIf(!hasPrlimit)(
  `shows nothing that the disk does not take, and shows it again once the disk does${hint}`,
  async () => {
    const laptop = await lab.enroll();
    const limit = async (files: string): Promise<void> => {
      await run('prlimit', [`--pid=${process.pid}`, `--fsize=${files}:`]);
    };
    // The kernel refuses to let a file of this process grow: a real write that really fails.
    await limit('1');
    try {
      const refused = await lab.ask('GET', '/v1/devices');
      expect(refused).toMatchObject({ status: 503, body: { code: 'access-log-unavailable' } });
      expect(refused.text).not.toContain(laptop.device);
      expect(await lab.ask('GET', '/v1/devices')).toMatchObject({ status: 503 });
    } finally {
      await limit('unlimited');
    }
    await vi.waitUntil(() => lab.accessLog.healthy(), { timeout: 20_000 });
    expect(await lab.ask('GET', '/v1/devices')).toMatchObject({ status: 200 });
    const { problems, streams } = await verifyFlows(directory());
    // The first refused one was written after all; the second was given up, and the next record says so.
    expect({ problems, lost: streams[0]?.lost, records: streams[0]?.records }).toEqual({
      problems: [],
      lost: 1,
      records: 2,
    });
  },
);

it('is read newest first, page by page, without a record twice or left out while more come', async () => {
  for (let count = 0; count < 25; count += 1) await lab.ask('GET', '/v1/resources/app');
  const seen: string[] = [];
  let query = '?limit=10';
  for (;;) {
    const { body } = await read(query);
    seen.push(...(body.accesses as AccessView[]).map(({ request }) => request));
    if (body.next === undefined) break;
    query = `?limit=10&cursor=${body.next}`;
    // Each page is an access of its own: it comes before the first page, not into those that follow.
  }
  expect(seen).toHaveLength(25);
  expect(new Set(seen).size).toBe(25);
  const newest = (await read('?limit=1')).body.accesses[0];
  expect(newest).toMatchObject({ operation: 'GET /v1/access-log', actor: 'api-key:admin', count: 5 });
});

it('is narrowed to an actor and to a time, and read by owners and auditors alone', async () => {
  const auditor = await lab.makeKey({ role: 'auditor' });
  const security = await lab.makeKey({ role: 'security' });
  await lab.ask('GET', '/v1/devices', { key: security });
  const later = Date.now() + 1000;
  lab.pass(2000);
  await lab.ask('GET', '/v1/devices', { key: auditor });
  const operations = async (query: string): Promise<string[]> =>
    ((await read(query, auditor)).body.accesses as AccessView[]).map(
      ({ actor, operation }) => `${actor} ${operation}`,
    );
  expect(await operations('?actor=api-key:security-2')).toEqual(['api-key:security-2 GET /v1/devices']);
  expect((await operations(`?since=${later}`)).at(-1)).toBe('api-key:auditor-1 GET /v1/devices');
  expect(await read('', security)).toMatchObject({ status: 403, body: { code: 'role-missing' } });
});

it('refuses a cursor that is none of it, and one that leads out of it', async () => {
  await lab.ask('GET', '/v1/devices');
  const cursor = (place: unknown): string => Buffer.from(JSON.stringify(place)).toString('base64url');
  for (const wrong of [
    'x',
    cursor({ file: '../ledger.db', offset: 10 }),
    cursor({ file: 'worker-0000-1764063000000-x-000001.jsonl', offset: 10 }),
    cursor({ file: 'x', offset: -1 }),
    cursor([]),
  ])
    expect(await read(`?cursor=${wrong}`), wrong).toMatchObject({
      status: 400,
      body: { code: 'invalid-input', problems: ['cursor: is none of this list; begin without one'] },
    });
  expect(await read('?limit=0')).toMatchObject({ status: 400 });
  expect(await read('?order=asc')).toMatchObject({ status: 400 });
});
