import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { AppName, DeviceId, FlowId, NetworkName, UserName } from '../../../src/domain/ids.ts';
import type { FlowFilter, FlowPlace } from '../../../src/flow/search/flow-query.ts';
import type { FlowSearch } from '../../../src/flow/search/search-flows.ts';
import { createSearcher, SearchOverrun, TooManyFollowers } from '../../../src/flow/search/searcher.ts';
import { flowPlacesOf } from '../../../src/flow/search/flow-places.ts';
import { archiveSink, counts, makeData, openSearch, rows } from '../archive/archiving.ts';
import { openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered, app, deniedFacts, monday, refused, subject } from '../samples.ts';
import { delivered, ship } from '../shipper/shipping.ts';

const payroll = { ...app, name: 'payroll' as AppName, network: 'hr' as NetworkName };
const bob = {
  certificate: { ...subject.certificate, device: 'd-bob' as DeviceId },
  token: { ...subject.token, device: 'd-bob' as DeviceId, user: "bob'; DROP TABLE pending; --" as UserName },
};
const child = { id: '019b8c4e-4444-7000-8000-000000000004' as FlowId, parent: deniedFacts.id };

/** Four records, in the archive or only in the spool, and a search over them. */
async function recorded(isArchived: boolean): Promise<FlowSearch> {
  const { data, flows, sinks, archive } = makeData();
  const recorder = openRecorder(flows);
  const at = (minutes: number) => monday + minutes * 60_000;
  recorder.request({ ...allowedFacts, startedAt: at(0) }, { ...answered, endedAt: at(0) });
  recorder.request({ ...deniedFacts, startedAt: at(1) }, { ...refused, endedAt: at(1) });
  recorder.request(
    { ...allowedFacts, ...child, app: payroll, startedAt: at(2) },
    { ...answered, endedAt: at(2) },
  );
  recorder.request({ ...allowedFacts, subject: bob, startedAt: at(3) }, { ...answered, endedAt: at(3) });
  await whenWritten(recorder);
  if (isArchived) {
    const shipper = await ship(flows, sinks, [archiveSink], archive);
    await delivered(shipper);
    await shipper.stop(1000);
  }
  return openSearch(data);
}

/** Sequence numbers of what is found. */
async function sequences(search: FlowSearch, filter: FlowFilter, more: object = {}): Promise<unknown[]> {
  const answer = await search.ask(rows({ filter, ...more }));
  return answer.kind === 'rows' ? answer.rows.map(({ sequence }) => sequence) : [];
}

const cases: readonly (readonly [FlowFilter, readonly number[]])[] = [
  [{}, [4, 3, 2, 1]],
  [{ user: 'alice@example.org' }, [3, 2, 1]],
  [{ user: 'carol@example.org' }, []],
  [{ user: "bob'; DROP TABLE pending; --" }, [4]],
  [{ user: "' OR 1 = 1 --" }, []],
  [{ users: ['alice@example.org', "bob'; DROP TABLE pending; --"] }, [4, 3, 2, 1]],
  [{ users: ["bob'; DROP TABLE pending; --", 'carol@example.org'], app: 'grants' }, [4]],
  [{ users: ["'] OR ['' = '"] }, []],
  [{ users: [] }, []],
  [{ device: 'd-bob' }, [4]],
  [{ device: "d-bob' UNION SELECT * FROM pending --" }, []],
  [{ app: 'payroll' }, [3]],
  [{ network: 'hr' }, [3]],
  [{ network: '$since' }, []],
  [{ verdict: 'denied' }, [2]],
  [{ verdict: 'allowed', app: 'grants' }, [4, 1]],
  [{ verdict: 'denied', app: 'payroll' }, []],
  [{ reason: 'policy-forbids' }, [2]],
  [{ reason: 'denied' }, [2]],
  [{ reason: "x') OR ('' = '" }, []],
  [{ flow: deniedFacts.id }, [3, 2]],
  [{ flow: child.id }, [3]],
  [{ class: 4002 }, [4, 3, 2, 1]],
  [{ class: 3002 }, []],
];

test.each([
  ['the archive', true],
  ['the spool', false],
])(
  'finds in %s what fits each filter, and nothing else, whatever is written into one',
  async (_, isArchived) => {
    const search = await recorded(isArchived);
    for (const [filter, wanted] of cases)
      expect([filter, await sequences(search, filter)]).toEqual([filter, wanted]);
    const minute = 60_000;
    expect(await sequences(search, {}, { since: monday + minute, until: monday + 3 * minute })).toEqual([
      3, 2,
    ]);
    expect(await sequences(search, {}, { since: monday + 4 * minute })).toEqual([]);
  },
);

test.each([
  ['the archive', true],
  ['the spool', false],
])('pages through %s and shows each record once', async (_, isArchived) => {
  const search = await recorded(isArchived);
  const seen: unknown[] = [];
  let after: FlowPlace | undefined;
  for (let page = 0; page < 4; page += 1) {
    const answer = await search.ask(rows({ limit: 1, ...(after === undefined ? {} : { after }) }));
    const [row] = answer.kind === 'rows' ? answer.rows : [];
    seen.push(row?.sequence);
    after = { time: row?.time ?? 0, uid: row?.uid ?? '' };
  }
  expect(seen).toEqual([4, 3, 2, 1]);
  expect(await sequences(search, {}, { after })).toEqual([]);
});

test.each([
  ['the archive', true],
  ['the spool', false],
])('counts in %s who reached an application from which laptop, and who was denied', async (_, isArchived) => {
  const search = await recorded(isArchived);
  expect(await search.ask(counts(['user', 'device'], { filter: { app: 'grants' } }))).toMatchObject({
    counts: [
      { by: { user: 'alice@example.org', device: 'd-7f3a' }, allowed: 1, denied: 1, first: monday },
      { by: { device: 'd-bob' }, allowed: 1, denied: 0, bytesOut: 1024 },
    ],
  });
});

test.each([
  ['the archive', true],
  ['the spool', false],
])(
  'counts in %s what a policy let through, with its bytes, and not the tunnel that carried it',
  async (_, isArchived) => {
    const { data, flows, sinks, archive } = makeData();
    const recorder = openRecorder(flows);
    const { decision: _decision, upstream: _upstream, ...undecided } = allowedFacts;
    const { upstream: _dialled, ...decided } = allowedFacts;
    for (const carrier of [undecided, decided]) {
      recorder.tunnelOpened(carrier);
      recorder.tunnelClosed(carrier, answered);
    }
    recorder.request(allowedFacts, answered);
    recorder.request(deniedFacts, refused);
    recorder.tunnelOpened({ ...allowedFacts, app: payroll });
    recorder.tunnelClosed({ ...allowedFacts, app: payroll }, answered);
    await whenWritten(recorder);
    if (isArchived) {
      const shipper = await ship(flows, sinks, [archiveSink], archive);
      await delivered(shipper);
      await shipper.stop(1000);
    }
    const { bytesOut } = answered;
    expect(await openSearch(data).ask(counts(['app']))).toMatchObject({
      counts: [
        { by: { app: 'grants' }, allowed: 1, denied: 1, other: 2, bytesOut: bytesOut + refused.bytesOut },
        { by: { app: 'payroll' }, allowed: 1, denied: 0, other: 0, bytesOut },
      ],
    });
  },
);

test('says which file of the archive is damaged, and not by which statement it was found', async () => {
  const { data, archive } = makeData();
  const partition = join(archive, 'keep=flows', 'date=2026-01-05', 'hour=08');
  mkdirSync(partition, { recursive: true });
  writeFileSync(join(partition, 'gateway.00000001-00000001.parquet'), 'PAR1, and then nothing of the kind');
  const searcher = createSearcher({
    places: flowPlacesOf(data, [{ settings: archiveSink }]),
    limits: { memoryMegabytes: 128, threads: 1 },
    timeoutMs: 20_000,
  });
  onTestFinished(() => searcher.close());
  const failed = await searcher.ask(rows()).catch((error: unknown) => (error as Error).message);
  expect(failed).toContain('gateway.00000001-00000001.parquet');
  expect(failed).not.toMatch(/SELECT|LINE|read_parquet|\n/);
});

test('asks in a process of its own, which is ended when it takes too long, and the next has another', async () => {
  const { data, flows } = makeData();
  const recorder = openRecorder(flows);
  for (let index = 0; index < 200; index += 1) recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const options = { places: flowPlacesOf(data), limits: { memoryMegabytes: 128, threads: 1 } };
  const hasty = createSearcher({ ...options, timeoutMs: 1 });
  await expect(hasty.ask(rows())).rejects.toThrow(SearchOverrun);
  hasty.close();
  const searcher = createSearcher({ ...options, timeoutMs: 20_000 });
  try {
    const gone = new AbortController();
    const given = searcher.ask(rows(), gone.signal);
    gone.abort();
    await expect(given).rejects.toThrow(SearchOverrun);
    // More at once than there are processes.
    const answers = await Promise.all([1, 2, 3, 4, 5].map((limit) => searcher.ask(rows({ limit }))));
    expect(answers.map((answer) => (answer.kind === 'rows' ? answer.rows.length : 0))).toEqual([
      1, 2, 3, 4, 5,
    ]);
  } finally {
    searcher.close();
  }
});

test('lets a few follow, and another when one of them goes', () => {
  const { data } = makeData();
  const limits = { memoryMegabytes: 128, threads: 1 };
  const searcher = createSearcher({ places: flowPlacesOf(data), limits, timeoutMs: 1000 });
  const followers = Array.from({ length: 8 }, () => new AbortController());
  for (const { signal } of followers) searcher.follow({}, signal);
  const another = (): unknown => searcher.follow({}, new AbortController().signal);
  expect(another).toThrow(TooManyFollowers);
  followers[3]?.abort();
  expect(another).not.toThrow();
  expect(another).toThrow(TooManyFollowers);
});
