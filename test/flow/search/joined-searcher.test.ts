import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createAccessRecorder } from '../../../src/flow/access-recorder.ts';
import { keepRecords } from '../../../src/flow/kept/keep-records.ts';
import { retireSegments } from '../../../src/flow/spool/retire-segments.ts';
import type { FlowFilter } from '../../../src/flow/search/flow-query.ts';
import { createServerSearcher } from '../../../src/flow/search/server-searcher.ts';
import { TooManyFollowers } from '../../../src/flow/search/searcher.ts';
import type { Searcher } from '../../../src/flow/search/searcher.ts';
import { archiveSink, counts, makeData, rows } from '../archive/archiving.ts';
import { openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered, deniedFacts, monday, refused } from '../samples.ts';
import { delivered, origin, ship } from '../shipper/shipping.ts';

const read = {
  id: 'request-1',
  at: monday + 5000,
  actor: 'api-key:soc',
  roles: ['soc'],
  address: '192.0.2.7',
  operation: 'GET /v1/devices',
  target: {},
  count: 3,
} as const;

/**
 * Two flows and one look at the devices, all of them archived as by one user; and another look since, recorded when workers
 * had become another user's, who has made up one of his own.
 */
async function recorded(): Promise<Searcher> {
  const { data, flows, sinks, archive } = makeData();
  const access = join(data, 'access');
  mkdirSync(access);
  const log = createAccessRecorder({ directory: access, origin, bootId: 'boot-1', now: () => monday });
  onTestFinished(() => log.close());
  const worker = openRecorder(flows);
  worker.request(allowedFacts, answered);
  worker.request(deniedFacts, refused);
  await whenWritten(worker);
  await log.record(read);
  const shipper = await ship([flows, access], sinks, [archiveSink], archive);
  await delivered(shipper);
  await shipper.stop(5000);
  await log.record({ ...read, at: monday + 6000, actor: 'api-key:audit' });
  const forger = createAccessRecorder({ directory: flows, origin, bootId: 'boot-2', now: () => monday });
  onTestFinished(() => forger.close());
  await forger.record({ ...read, actor: 'api-key:made-up' });
  const searcher = createServerSearcher({ data, sinks: [{ settings: archiveSink }], isApart: true });
  onTestFinished(() => searcher.close());
  return searcher;
}

const found = async (searcher: Searcher, filter: FlowFilter = {}, more: object = {}): Promise<unknown[]> => {
  const answer = await searcher.ask(rows({ filter, ...more }));
  return answer.kind === 'rows' ? answer.rows.map((row) => [row.class, row.user]) : [];
};

test('a search finds each record once where flows and the access log are apart, and none that was made up', async () => {
  const searcher = await recorded();
  const [alice, soc, audit] = ['alice@example.org', 'api-key:soc', 'api-key:audit'];
  const all = await found(searcher);
  expect(all).toHaveLength(4);
  expect(all).toEqual(
    expect.arrayContaining([
      [4002, alice],
      [4002, alice],
      [6003, soc],
      [6003, audit],
    ]),
  );
  expect(await found(searcher, { class: 6003 })).toEqual([
    [6003, audit],
    [6003, soc],
  ]);
  expect(await found(searcher, { user: soc })).toEqual([[6003, soc]]);
  expect(await found(searcher, { class: 4002, verdict: 'denied' })).toEqual([[4002, alice]]);
  expect(await found(searcher, { verdict: 'denied' })).toEqual([[4002, alice]]);
  expect(await found(searcher, {}, { limit: 2 })).toHaveLength(2);
  expect(await found(searcher, { user: 'api-key:made-up' })).toEqual([]);
  const answer = await searcher.ask(counts(['user']));
  const users = answer.kind === 'counts' ? answer.counts.map(({ by }) => by['user']) : [];
  expect(users).toHaveLength(3);
  expect(new Set(users)).toEqual(new Set([alice, soc, audit]));
});

test('who follows hears of both as they come, until he goes; and only as many follow as may', async () => {
  const { data, flows } = makeData();
  const access = join(data, 'access');
  mkdirSync(access);
  const log = createAccessRecorder({ directory: access, origin, bootId: 'boot-1' });
  onTestFinished(() => log.close());
  const worker = openRecorder(flows);
  const searcher = createServerSearcher({ data, sinks: [], isApart: true });
  onTestFinished(() => searcher.close());
  const gone = new AbortController();
  const classes = new Set<unknown>();
  // They tell what comes after they began, and say of nothing when that is.
  const recording = setInterval(() => {
    worker.request(allowedFacts, answered);
    void log.record(read);
  }, 100);
  for await (const line of searcher.follow({}, gone.signal)) {
    classes.add((JSON.parse(line) as { class: number }).class);
    if (classes.size === 2) gone.abort();
  }
  clearInterval(recording);
  expect(classes).toEqual(new Set([4002, 6003]));

  // Of accesses alone: each takes a place of the access log's, and leaves those of flows.
  const followers = Array.from({ length: 8 }, () => new AbortController());
  for (const { signal } of followers) searcher.follow({ class: 6003 }, signal);
  const another = (filter: FlowFilter): unknown => searcher.follow(filter, new AbortController().signal);
  for (let time = 0; time < 9; time += 1) expect(() => another({})).toThrow(TooManyFollowers);
  expect(() => another({ class: 4002 })).not.toThrow();
  for (const follower of followers) follower.abort();
  expect(() => another({})).not.toThrow();
});

test('a bucket of the access log alone is not asked, and its secret told to nobody', () => {
  const { data } = makeData();
  const bucket = (name: string, records?: 'access' | 'flows') => ({
    settings: {
      name,
      type: 's3',
      from: 'now',
      format: 'ocsf',
      ...(records === undefined ? {} : { records }),
      url: 'https://s3.example.org',
      region: 'eu-west-3',
      bucket: 'records',
      pathStyle: true,
      accessKeyId: 'AKIAEXAMPLE',
      secretKeyFile: 'secret',
      flushMinutes: 1,
      maxMegabytes: 1,
      timeoutSeconds: 1,
    } as const,
    secret: 'a secret',
  });
  const sinks = [bucket('both'), bucket('flows', 'flows'), bucket('access', 'access')];
  const bucketsWhere = (isApart: boolean): readonly string[] => {
    const searcher = createServerSearcher({ data, sinks, isApart });
    onTestFinished(() => searcher.close());
    return searcher.buckets;
  };
  expect(bucketsWhere(true)).toEqual(['both', 'flows']);
  expect(bucketsWhere(false)).toEqual(['both', 'flows', 'access']);
});

test.each([
  ['without an archive', false],
  ['with an archive that began when it was put aside already', true],
])('what was put aside of old records is found once, %s', async (_, isArchived) => {
  const { data, flows, sinks, archive } = makeData();
  const worker = openRecorder(flows);
  worker.request(allowedFacts, answered);
  worker.request(deniedFacts, refused);
  worker.close();
  await retireSegments({
    directory: flows,
    before: monday + 99_000,
    isWritten: () => false,
    keep: async (stream, segments) => ({
      kept: await keepRecords({ from: flows, to: join(data, 'kept') }, stream, segments, undefined),
    }),
  });
  if (isArchived) {
    const later = openRecorder(flows, { worker: 2 });
    later.request(allowedFacts, answered);
    later.close();
    const shipper = await ship(flows, sinks, [archiveSink], archive);
    await delivered(shipper);
    await shipper.stop(1000);
  }
  const settings = isArchived ? [{ settings: archiveSink }] : [];
  const searcher = createServerSearcher({ data, sinks: settings, isApart: true });
  onTestFinished(() => searcher.close());
  expect(await found(searcher, { verdict: 'denied' })).toEqual([[4002, 'alice@example.org']]);
  expect(await found(searcher, { verdict: 'allowed' })).toHaveLength(isArchived ? 1 : 0);
});
