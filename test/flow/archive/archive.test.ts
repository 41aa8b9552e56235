import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createShipperProcess } from '../../lab/shipper-process.ts';
import { linesIn, recordsIn } from '../../lab/flow-records.ts';
import { mergePartition } from '../../../src/flow/archive/merge-partition.ts';
import { openDatabase } from '../../../src/flow/archive/open-database.ts';
import { createParquetSink } from '../../../src/flow/archive/parquet-sink.ts';
import { createLocalStore, listPartitions } from '../../../src/flow/archive/local-store.ts';
import { openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered, deniedFacts, monday, refused } from '../samples.ts';
import { delivered, eventually, forCenturies, makeDirectory, ship } from '../shipper/shipping.ts';
import { archiveSink, counts, makeData, openSearch, rows } from './archiving.ts';

const found = async (data: string) => {
  const answer = await openSearch(data).ask(rows());
  if (answer.kind !== 'rows') throw new TypeError('no rows');
  return answer.rows;
};

test('archives each record once under its hour and retention class, and a search has those that are not there yet too', async () => {
  const { data, flows, sinks, archive } = makeData();
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  recorder.request(
    { ...deniedFacts, startedAt: monday + 3_600_000 },
    { ...refused, endedAt: monday + 3_600_000 },
  );
  await whenWritten(recorder);
  expect((await found(data)).map(({ verdict }) => verdict)).toEqual(['denied', 'allowed']);
  const shipper = await ship(flows, sinks, [archiveSink], archive);
  await delivered(shipper);
  expect((await listPartitions(archive)).toSorted()).toEqual([
    'keep=flows/date=2026-01-05/hour=08',
    'keep=security/date=2026-01-05/hour=09',
  ]);
  // Another that no file has yet.
  recorder.request(
    { ...allowedFacts, startedAt: monday + 7_200_000 },
    { ...answered, endedAt: monday + 7_200_000 },
  );
  await whenWritten(recorder);
  const all = await found(data);
  expect(all.map(({ sequence }) => sequence)).toEqual([3, 2, 1]);
  expect(all.at(-1)).toMatchObject({
    time: monday + 25,
    class: 4002,
    user: 'alice@example.org',
    device: 'd-7f3a',
    app: 'grants',
    network: 'finance',
    method: 'GET',
    path: '/applications/17',
    httpStatus: 200,
    reasons: ['policy-permits'],
    policies: ['finance-grants'],
    upstream: '10.0.0.2:8080',
    bytesOut: 1024,
    refusal: null,
  });
});

test('keeps the bytes of a record, so that its hash still proves it', async () => {
  const { data, flows, sinks, archive } = makeData();
  const recorder = openRecorder(flows);
  for (let index = 0; index < 3; index += 1) recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  await delivered(await ship(flows, sinks, [archiveSink], archive));
  const answer = await openSearch(data).ask(rows({ whole: true }));
  const texts = answer.kind === 'rows' ? answer.rows.map(({ record = '' }) => record) : [];
  expect(texts.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(
    linesIn(flows).toSorted((a, b) => (a < b ? -1 : 1)),
  );
});

test('killed at any moment under load, it leaves no record out and has none twice', async () => {
  const { data, flows, sinks, archive } = makeData();
  const recorder = openRecorder(flows, { segmentBytes: 400_000 });
  const shipper = createShipperProcess({
    recordDirectories: [flows],
    sinkDirectory: sinks,
    archiveDirectory: archive,
    sinks: [{ settings: archiveSink }],
  });
  onTestFinished(() => shipper.kill());
  let recorded = 0;
  const record = (count: number): void => {
    for (let index = 0; index < count; index += 1) recorder.request(allowedFacts, answered);
    recorded += count;
  };
  const manifest = (): string => {
    const path = join(sinks, 'search.archived');
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  };
  const isStaging = (): boolean =>
    existsSync(join(archive, 'staging')) &&
    readdirSync(join(archive, 'staging')).some((name) => name.startsWith('gateway'));
  /** A moment that a busy machine may miss: as long as it did not come, there is more to write. */
  const isStagingOrMore = (): boolean => {
    if (isStaging()) return true;
    record(1);
    return false;
  };
  for (let round = 0; round < 2; round += 1) {
    record(200);
    const before = manifest();
    shipper.start();
    // While a file is written; or behind the manifest, when its name may be there and the cursor does not know.
    await eventually(() => (round % 2 === 0 ? isStagingOrMore() : manifest() !== before));
    await shipper.kill();
  }
  record(200);
  await whenWritten(recorder);
  shipper.start();
  await eventually(() => manifest().endsWith(`:${recorded}}}}\n`));
  const answer = await openSearch(data).ask(counts(['gateway']));
  expect(answer).toMatchObject({ counts: [{ allowed: recorded, denied: 0 }] });
  const uids = new Set(recordsIn(flows).map(({ metadata }) => metadata['uid']));
  expect(uids.size).toBe(recorded);
});

test('a crash between the names of two files is mended by the next start, and what comes again is left out', async () => {
  const { flows, archive, sinks } = makeData();
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  recorder.request(deniedFacts, refused);
  await whenWritten(recorder);
  const [stagingDirectory, manifestFile] = [join(archive, 'staging'), join(sinks, 'search.archived')];
  const local = createLocalStore({
    directory: archive,
    stagingDirectory,
    memoryMegabytes: 128,
    days: forCenturies,
    onTrouble: () => undefined,
  });
  let published = 0;
  const start = (mayPublish: number) =>
    createParquetSink({
      store: {
        ...local,
        async publish(file, staged) {
          if ((published += 1) > mayPublish) throw new Error('crashed');
          await local.publish(file, staged);
        },
      },
      stagingDirectory,
      manifestFile,
      gateway: 'gateway.example.org',
      maxWaitMs: 1,
      maxBytes: 1_000_000,
      memoryMegabytes: 128,
    });
  const batch = linesIn(flows).map((text) => ({ text, record: JSON.parse(text) as Record<string, unknown> }));
  const first = await start(1);
  const { acknowledged } = await first.send(batch);
  await expect(acknowledged).rejects.toThrow('crashed');
  expect(await listPartitions(archive)).toHaveLength(1);
  // As after a kill: nothing of it is closed.
  const second = await start(100);
  const receipt = await second.send(batch);
  await receipt.acknowledged;
  await second.close();
  const files = readdirSync(archive, { recursive: true }).filter((name) => String(name).endsWith('.parquet'));
  expect(files).toHaveLength(2);
  await first.close();
});

test('merges the files of an hour, and whoever lists them meanwhile counts nothing twice', async () => {
  const { data, flows, sinks, archive } = makeData();
  const recorder = openRecorder(flows);
  for (let round = 0; round < 3; round += 1) {
    recorder.request(allowedFacts, answered);
    await whenWritten(recorder);
    const shipper = await ship(flows, sinks, [archiveSink], archive);
    await delivered(shipper);
    await shipper.stop(1000);
  }
  const path = 'keep=flows/date=2026-01-05/hour=08';
  const names = (): string[] => readdirSync(join(archive, path));
  // Each start is a writer of its own: as if one had written all.
  const old = names().toSorted();
  expect(old.length).toBeGreaterThan(0);
  const writer = 'gateway-one';
  const renamed = old.map((name, index) => {
    const to = `${writer}.0000000${index + 1}-0000000${index + 1}.parquet`;
    writeFileSync(join(archive, path, to), readFileSync(join(archive, path, name)));
    return to;
  });
  const stagingDirectory = join(archive, 'staging');
  const parts = { directory: archive, stagingDirectory, memoryMegabytes: 128, path };
  await mergePartition(parts);
  expect(names().filter((name) => name.startsWith(writer))).toEqual([
    `${writer}.00000001-0000000${old.length}.parquet`,
  ]);
  const before = await found(data);
  // What a crash left that another has taken the place of.
  for (const name of renamed.slice(0, 1))
    writeFileSync(join(archive, path, name), readFileSync(join(archive, path, old[0] ?? '')));
  expect(await found(data)).toHaveLength(before.length);
  await mergePartition(parts);
  expect(existsSync(join(archive, path, renamed[0] ?? ''))).toBe(false);
});

test('the database has its folders and nothing else of the world', async () => {
  const directory = makeDirectory();
  mkdirSync(join(directory, 'mine'));
  writeFileSync(join(directory, 'secret'), 'key');
  const database = await openDatabase({
    directories: [join(directory, 'mine')],
    memoryMegabytes: 64,
    threads: 1,
  });
  onTestFinished(() => database.close());
  const refusedBy = (sql: string) =>
    expect(database.connection.run(sql)).rejects.toThrow(/[Pp]ermission|locked|disabled/);
  await database.connection.run(`COPY (SELECT 1 AS one) TO '${directory}/mine/a.parquet' (FORMAT parquet)`);
  await refusedBy(`SELECT * FROM read_text('${directory}/secret')`);
  await refusedBy(`SELECT * FROM read_text('${directory}/mine/../secret')`);
  await refusedBy(`COPY (SELECT 1) TO '${directory}/b.parquet' (FORMAT parquet)`);
  await refusedBy(`ATTACH '${directory}/c.db'`);
  await refusedBy(`SELECT * FROM read_parquet('https://127.0.0.1:1/a.parquet')`);
  await refusedBy('INSTALL httpfs');
  await refusedBy('LOAD httpfs');
  await refusedBy('SET enable_external_access = true');
  await refusedBy("SET memory_limit = '10GB'");
});
