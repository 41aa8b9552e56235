import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DeviceId, FlowId, UserName } from '../../../src/domain/ids.ts';
import type { FlowFacts } from '../../../src/domain/flow.ts';
import { formatFileName } from '../../../src/flow/archive/file-name.ts';
import { createLocalStore, listPartitions } from '../../../src/flow/archive/local-store.ts';
import { openDatabase, quoteText } from '../../../src/flow/archive/open-database.ts';
import { createParquetSink } from '../../../src/flow/archive/parquet-sink.ts';
import { hourMs, parsePartitionPath, partitionPath } from '../../../src/flow/archive/partition.ts';
import { parquetOptions } from '../../../src/flow/archive/pending-records.ts';
import { createFlowRecorder } from '../../../src/flow/recorder.ts';
import { readPeriod } from '../../../src/flow/shipper/read-period.ts';
import { uuidV7Of } from '../../../src/flow/record/uuid.ts';
import { createProgress } from '../support/progress.ts';
import { readParquetFile, spliceColumns } from './splice-columns.ts';
import { forCenturies } from '../../flow/shipper/shipping.ts';
import { allowedFacts, answered, deniedFacts, monday, refused } from '../../flow/samples.ts';

export interface Made {
  readonly records: number;
  /** Of one in the hour that was archived as it would be: in the others lie bytes beside that nobody reads. */
  readonly bytesARecord: number;
  /** CPU time of reading a record, putting it into columns, compressing and publishing it; undefined where it was made before. */
  readonly microsARecord?: number;
}

const [devices, users, apps] = [10_000, 8000, 150];
const oneOf = (count: number): number => Math.floor(Math.random() * count);

/** A request of somebody somewhere; one in twenty is refused. */
function request(at: number, index: number): FlowFacts & { readonly isAllowed: boolean } {
  // Each of them in each hour, since later hours are of the same ones.
  const device = (index * 7919) % devices;
  const isAllowed = index % 20 !== 0;
  const facts = isAllowed ? allowedFacts : deniedFacts;
  const { connection, subject, app } = facts;
  if (subject === undefined || app === undefined || facts.request === undefined)
    throw new TypeError('a sample without its parts');
  const name = `app-${oneOf(apps)}`;
  const id = uuidV7Of(at, index.toString(16).padStart(64, '0')) as FlowId;
  const host = `${name}.apps.example.org`;
  return {
    ...facts,
    isAllowed,
    id,
    startedAt: at,
    connection: {
      ...connection,
      source: { address: `10.${oneOf(250)}.${oneOf(250)}.${oneOf(250)}`, port: 1024 + oneOf(60_000) },
    },
    subject: {
      certificate: { ...subject.certificate, device: `d-${device}` as DeviceId },
      token: {
        ...subject.token,
        device: `d-${device}` as DeviceId,
        user: `user-${device % users}@example.org` as UserName,
      },
    },
    app: { ...app, name, network: `net-${oneOf(123)}`, host },
    request: { ...facts.request, authority: host, path: `/dossiers/${oneOf(1_000_000)}/pieces/${oneOf(40)}` },
  };
}

/** One hour as workers record it, archived as the process of the sinks does it. */
async function makeHour(data: string, count: number): Promise<number> {
  const [flows, archive, sinks] = ['flows', 'archive', 'sinks'].map((name) => join(data, name)) as [
    string,
    string,
    string,
  ];
  for (const directory of [flows, archive, sinks]) mkdirSync(directory, { recursive: true });
  const recorder = createFlowRecorder({
    directory: flows,
    gateway: 'gateway.example.org',
    domain: 'example.org',
    bootId: 'bench',
    worker: 1,
    productVersion: '0.1.0',
  });
  for (let index = 0; index < count; index += 1) {
    const at = monday + Math.floor((index * hourMs) / count);
    const { isAllowed, ...facts } = request(at, index);
    recorder.request(facts, {
      ...(isAllowed ? answered : refused),
      endedAt: at + oneOf(50),
      bytesOut: oneOf(100_000),
    });
    if (index % 1000 === 0) await new Promise<void>((resolve) => recorder.whenWritten(resolve));
  }
  recorder.close();
  const stagingDirectory = join(archive, 'staging');
  const sink = await createParquetSink({
    store: createLocalStore({
      days: forCenturies,
      directory: archive,
      stagingDirectory,
      memoryMegabytes: 192,
      onTrouble: () => undefined,
    }),
    stagingDirectory,
    manifestFile: join(sinks, 'search.archived'),
    gateway: 'gateway.example.org',
    maxWaitMs: 60_000,
    maxBytes: 256 * 1024 * 1024,
    memoryMegabytes: 512,
  });
  const before = process.cpuUsage();
  let batch: { record: Record<string, unknown>; text: string }[] = [];
  for await (const item of readPeriod([flows], {})) {
    if (item.kind !== 'record') continue;
    batch.push({ record: item.record, text: item.text });
    if (batch.length === 1000) await sink.send(batch.splice(0));
  }
  await sink.send(batch);
  await sink.close();
  const { user, system } = process.cpuUsage(before);
  rmSync(flows, { recursive: true });
  mkdirSync(flows);
  return (user + system) / count;
}

/**
 * An archive of so many hours with so many records each. The first is recorded and archived as it would be; the others are that one
 * an hour later each, of other applications. All other columns are the bytes of the first, since to compress the same records
 * again is what would take hours.
 */
export async function makeArchive(data: string, hours: number, perHour: number): Promise<Made> {
  const microsARecord = await makeHour(data, perHour);
  const archive = join(data, 'archive');
  const database = await openDatabase({
    directories: [archive],
    memoryMegabytes: 1024,
    threads: 1,
  });
  const later = join(archive, 'staging', 'later.parquet');
  const progress = createProgress('hours of the archive', hours);
  const firsts = (await listPartitions(archive)).flatMap((path) =>
    readdirSync(join(archive, path)).map((name) => {
      const from = join(archive, path, name);
      return { partition: parsePartitionPath(path), from, whole: readParquetFile(readFileSync(from)) };
    }),
  );
  for (let hour = 1; hour < hours; hour += 1) {
    for (const [index, { partition, from, whole }] of firsts.entries()) {
      if (partition === undefined) continue;
      await database.connection.run(
        `COPY (SELECT ${['time', 'loggedTime'].map((column) => `("${column}" + INTERVAL ${hour} HOUR)::TIMESTAMP_MS AS "${column}"`).join(', ')},
            gen_random_uuid()::VARCHAR AS uid, 'app-' || ((substr(app, 5)::INTEGER + ${hour * 7}) % ${apps}) AS app
          FROM read_parquet(${quoteText(from)})) TO ${quoteText(later)} (${parquetOptions})`,
      );
      const name = formatFileName({ writer: `bench-${index}`, from: hour, to: hour });
      const to = join(archive, partitionPath({ ...partition, hour: partition.hour + hour * hourMs }), name);
      mkdirSync(dirname(to), { recursive: true });
      writeFileSync(to, spliceColumns(whole, readParquetFile(readFileSync(later))));
    }
    progress(hour + 1);
  }
  database.close();
  rmSync(later, { force: true });
  return { records: hours * perHour, bytesARecord: bytesOfFirst(archive) / perHour, microsARecord };
}

/** What an archive that was made before has. */
export const knownArchive = (data: string, hours: number, perHour: number): Made => ({
  records: hours * perHour,
  bytesARecord: bytesOfFirst(join(data, 'archive')) / perHour,
});

const bytesOfFirst = (directory: string): number =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter(({ name }) => name.endsWith('.parquet') && !name.startsWith('bench-'))
    .reduce((total, entry) => total + statSync(join(entry.parentPath, entry.name)).size, 0);
