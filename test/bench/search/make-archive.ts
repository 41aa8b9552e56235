import { mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DeviceId, FlowId, UserName } from '../../../src/domain/ids.ts';
import type { FlowFacts } from '../../../src/domain/flow.ts';
import { formatFileName } from '../../../src/flow/archive/file-name.ts';
import { createLocalStore, listPartitions } from '../../../src/flow/archive/local-store.ts';
import { openDatabase, quoteText } from '../../../src/flow/archive/open-database.ts';
import { createParquetSink } from '../../../src/flow/archive/parquet-sink.ts';
import { hourMs, parsePartitionPath, partitionPath } from '../../../src/flow/archive/partition.ts';
import { parquetOptions, parquetOrder } from '../../../src/flow/archive/pending-records.ts';
import { createFlowRecorder } from '../../../src/flow/recorder.ts';
import { readPeriod } from '../../../src/flow/shipper/read-period.ts';
import { uuidV7Of } from '../../../src/flow/uuid.ts';
import { forCenturies } from '../../flow/shipper/shipping.ts';
import { allowedFacts, answered, deniedFacts, monday, refused } from '../../flow/samples.ts';

export interface Made {
  readonly records: number;
  readonly bytes: number;
  /** CPU time of reading a record, putting it into columns, compressing and publishing it. */
  readonly microsARecord: number;
}

const [devices, users, apps] = [10_000, 8000, 150];
const oneOf = (count: number): number => Math.floor(Math.random() * count);

/** A request of somebody somewhere; one in twenty is refused. */
function request(at: number, index: number): FlowFacts & { readonly isAllowed: boolean } {
  const device = oneOf(devices);
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
 * an hour later each, from other devices: what a file holds differs from row to row as much as in the first.
 */
export async function makeArchive(data: string, hours: number, perHour: number): Promise<Made> {
  const microsARecord = await makeHour(data, perHour);
  const archive = join(data, 'archive');
  const database = await openDatabase({
    directories: [archive],
    temporary: join(archive, 'staging'),
    memoryMegabytes: 2048,
    threads: 2,
  });
  for (const path of await listPartitions(archive)) {
    const first = parsePartitionPath(path);
    if (first === undefined) continue;
    const files = readdirSync(join(archive, path)).map((name) => quoteText(join(archive, path, name)));
    for (let hour = 1; hour < hours; hour += 1) {
      const name = formatFileName({ writer: 'bench', from: hour, to: hour });
      const to = join(archive, partitionPath({ ...first, hour: first.hour + hour * hourMs }), name);
      mkdirSync(dirname(to), { recursive: true });
      await database.connection.run(
        `COPY (SELECT * REPLACE (
            time + INTERVAL ${hour} HOUR AS time,
            "loggedTime" + INTERVAL ${hour} HOUR AS "loggedTime",
            gen_random_uuid()::VARCHAR AS uid,
            'd-' || ((substr(device, 3)::INTEGER + ${hour * 37}) % ${devices}) AS device
          ) FROM read_parquet([${files.join(', ')}]) ${parquetOrder}) TO ${quoteText(to)} (${parquetOptions})`,
      );
    }
  }
  database.close();
  const sizes = readdirSync(archive, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.name.endsWith('.parquet'))
    .map((entry) => statSync(join(entry.parentPath, entry.name)).size);
  return {
    records: hours * perHour,
    bytes: sizes.reduce((total, size) => total + size, 0),
    microsARecord,
  };
}
