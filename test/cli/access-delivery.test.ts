import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { startFauxqs } from 'fauxqs';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { parseDocument } from 'yaml';
import type { FlowView } from '../../src/contract/flow-search.ts';
import type { S3SinkSettings } from '../../src/contract/sinks.ts';
import { openS3Bucket } from '../../src/flow/archive/s3-bucket.ts';
import { makeInstallation } from '../control/installation.ts';
import type { Installation } from '../control/installation.ts';
import { eventually } from '../flow/shipper/shipping.ts';
import { childrenOf } from '../lab/children.ts';
import { linesIn } from '../lab/flow-records.ts';
import { hasRedis, redisHint, startRedis } from '../lab/servers/redis.ts';
import type { RedisServer } from '../lab/servers/redis.ts';
import { startServing } from '../lab/serving.ts';
import type { Serving } from '../lab/serving.ts';

// Each test starts several processes, and a busy machine takes its time.
vi.setConfig({ testTimeout: 120_000 });

const isRoot = process.getuid?.() === 0;
const rootHint = isRoot ? '' : ' (skipped: needs root: sudo npm test)';
const runAs = { uid: 64_990, gid: 64_990 };
const shipper = 'flow/shipper/main';

interface Delivered {
  readonly class_uid: number;
  readonly metadata: { readonly uid: string; readonly sequence: number };
}

async function install(settings: (made: Installation) => Record<string, unknown>): Promise<Installation> {
  const made = await makeInstallation();
  onTestFinished(made.remove);
  // What is in it is for those whom its folders let in.
  chmodSync(made.directory, 0o711);
  const document = parseDocument(await readFile(made.configFile, 'utf8'));
  for (const [name, value] of Object.entries(settings(made))) document.set(name, document.createNode(value));
  await writeFile(made.configFile, String(document));
  return made;
}

async function serve(made: Installation, role: 'all' | 'control' = 'all'): Promise<Serving> {
  const server = await startServing(made.configFile, role);
  onTestFinished(() => server.kill());
  return server;
}

async function redis(): Promise<RedisServer> {
  const server = await startRedis();
  onTestFinished(() => server.stop());
  return server;
}

/** A folder for what a sink writes. */
function folder(made: Installation, name: string, owner = 0): string {
  const path = join(made.directory, name);
  mkdirSync(path);
  if (isRoot) chownSync(path, owner, owner);
  return path;
}

const file = (name: string, path: string, more: object = {}): object => ({
  name,
  type: 'file',
  from: 'beginning',
  format: 'ocsf',
  path,
  rotateMegabytes: 100,
  ...more,
});
const stream = ({ port }: RedisServer): object => ({
  name: 'stream',
  type: 'redis',
  from: 'beginning',
  format: 'ocsf',
  redis: { url: `redis://127.0.0.1:${port}`, prefix: 'postern', waitForReplicas: 0 },
});

const bucketAt = (port: number, secretKeyFile: string): S3SinkSettings => ({
  name: 'cold',
  type: 's3',
  from: 'beginning',
  format: 'ocsf',
  url: `http://127.0.0.1:${port}`,
  region: 'eu-west-3',
  bucket: 'records',
  pathStyle: true,
  accessKeyId: 'AKIAEXAMPLE',
  secretKeyFile,
  flushMinutes: 50,
  maxMegabytes: 16,
  timeoutSeconds: 20,
});
async function namesIn(port: number): Promise<string[]> {
  const bucket = openS3Bucket({ settings: bucketAt(port, ''), secret: 'wJalrXUtnFEMI' });
  onTestFinished(() => bucket.close());
  const names: string[] = [];
  for await (const { name } of bucket.list('')) names.push(name);
  return names;
}

const parse = (line: string): Delivered => JSON.parse(line) as Delivered;
function inFile(path: string): Delivered[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1).map(parse);
  } catch {
    return [];
  }
}
const inStream = (server: RedisServer): Delivered[] =>
  (JSON.parse(server.cli('--json', 'XRANGE', '{postern}:records', '-', '+')) as [string, string[]][]).map(
    ([, [, , , record = '']]) => parse(record),
  );
const classesOf = (records: readonly Delivered[]): Set<number> =>
  new Set(records.map((record) => record.class_uid));
/** Those of the access log, as they came first. */
const accessesIn = (records: readonly Delivered[]): string[] => [
  ...new Set(
    records
      .filter(({ class_uid }) => class_uid === 6003 || class_uid === 3004)
      .map(({ metadata }) => metadata.uid),
  ),
];
const recorded = (made: Installation): string[] =>
  linesIn(join(made.data, 'access')).map((line) => parse(line).metadata.uid);

/** Without a certificate: one refused handshake is one record of a worker. */
async function knock(made: Installation, server: Serving): Promise<void> {
  const socket = connect({
    host: '127.0.0.1',
    port: server.portOf('gateway'),
    ca: made.rootPem,
    servername: 'gateway.example.org',
  });
  socket.on('error', () => undefined);
  await new Promise((resolve) => socket.once('close', resolve));
}
async function look(made: Installation, server: Serving): Promise<void> {
  expect((await made.api(server.portOf('control'), 'GET', '/v1/devices')).status).toBe(200);
}
async function healthOf(
  server: Serving,
  name: string,
): Promise<{ problem?: string; lagRecords: number } | undefined> {
  const { sinks = [] } = (await server.readyz()).body as {
    sinks?: { name: string; problem?: string; lagRecords: number }[];
  };
  return sinks.find((sink) => sink.name === name);
}

describe.skipIf(!isRoot || !hasRedis)(`with workers of another user${rootHint}${redisHint}`, () => {
  test('the access log reaches the receivers of flow records, by a process that no worker can look into', async () => {
    const receiver = await redis();
    const storage = await startFauxqs({ port: 0, logger: false });
    onTestFinished(() => storage.stop());
    storage.createBucket('records');
    const made = await install((place) => ({
      runAs,
      sinks: [
        file('flows', join(folder(place, 'flows', runAs.uid), 'records.jsonl'), { records: 'flows' }),
        file('audit', join(folder(place, 'audit'), 'access.jsonl'), { records: 'access' }),
        file('both', join(folder(place, 'both', runAs.uid), 'records.jsonl')),
        stream(receiver),
        bucketAt(storage.port, join(place.directory, 'secret')),
      ],
    }));
    writeFileSync(join(made.directory, 'secret'), 'wJalrXUtnFEMI', { mode: 0o600 });
    const at = (path: string): string => join(made.directory, path);
    const server = await serve(made);
    await knock(made, server);
    await look(made, server);
    await eventually(() => classesOf(inFile(at('audit/access.jsonl'))).has(6003));
    await eventually(() => classesOf(inFile(at('flows/records.jsonl'))).has(3002));
    await eventually(() => classesOf(inStream(receiver)).isSupersetOf(new Set([3002, 6003])));
    expect(classesOf(inFile(at('flows/records.jsonl'))).has(6003)).toBe(false);
    expect(classesOf(inFile(at('audit/access.jsonl'))).has(3002)).toBe(false);

    // Where the workers' user could lead it anywhere, it writes nothing, and says so; flows are that user's own.
    await eventually(async () => (await healthOf(server, 'both'))?.problem !== undefined);
    expect((await healthOf(server, 'both'))?.problem).toMatch(
      /^access log: \S+both belongs to user 64990, .*: give the access log a file of its own .* records: access$/,
    );
    await eventually(() => classesOf(inFile(at('both/records.jsonl'))).has(3002));
    expect(spawnSync('ls', [at('both')], { encoding: 'utf8' }).stdout).toBe('records.jsonl\n');
    await eventually(async () => (await healthOf(server, 'audit'))?.lagRecords === 0);

    // Whoever searches finds both, each by who may read it.
    const search = async (query: string): Promise<FlowView[]> => {
      const { status, body } = await made.api(
        server.portOf('control'),
        'GET',
        `/v1/flows?limit=1000&${query}`,
      );
      expect(status).toBe(200);
      return body.flows as FlowView[];
    };
    const onDisk = recorded(made);
    const found = await search('');
    expect(new Set(found.map((row) => row.class))).toEqual(new Set([3002, 3004, 6003]));
    expect(found).toHaveLength(new Set(found.map(({ uid }) => uid)).size);
    expect(found.filter(({ worker }) => worker === 0).map(({ uid }) => uid)).toEqual(
      expect.arrayContaining(onDisk),
    );
    expect(new Set((await search('class=6003')).map(({ what }) => what))).toContain('GET /v1/devices');
    expect(new Set((await search('class=3002')).map((row) => row.worker))).toEqual(new Set([1]));

    const processes = childrenOf(server.pid, shipper);
    expect(processes.map(({ uid }) => uid).toSorted((a, b) => a - b)).toEqual([0, runAs.uid]);
    const ofAccess = processes.find(({ uid }) => uid === 0)?.pid ?? 0;
    const ofFlows = processes.find(({ uid }) => uid === runAs.uid)?.pid ?? 0;
    const asWorker = (...command: readonly string[]): number | null =>
      spawnSync(command[0] ?? '', command.slice(1), { ...runAs, stdio: 'ignore' }).status;
    for (const denied of [
      ['ls', join(made.data, 'access')],
      ['ls', join(made.data, 'access-sinks')],
      ['cat', at('audit/access.jsonl')],
      ['cat', `/proc/${ofAccess}/environ`],
      ['touch', at('audit/forged.jsonl')],
    ])
      expect([denied, asWorker(...denied)]).toEqual([denied, denied[0] === 'ls' ? 2 : 1]);
    expect(asWorker('ls', join(made.data, 'flows'))).toBe(0);
    expect(asWorker('cat', `/proc/${ofFlows}/environ`)).toBe(0);

    // Both write into one bucket what they have at the end, neither over what the other wrote.
    expect(await server.stop()).toBe(0);
    expect(await namesIn(storage.port)).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^keep=security\/.*\.parquet$/) as string,
        expect.stringMatching(/^keep=administration\/.*\.parquet$/) as string,
      ]),
    );
  });

  test('killed at any moment, that process leaves no receiver without a record of the access log, nor out of order', async () => {
    const receiver = await redis();
    const made = await install((place) => ({
      runAs,
      sinks: [
        file('audit', join(folder(place, 'audit'), 'access.jsonl'), { records: 'access' }),
        stream(receiver),
      ],
    }));
    const server = await serve(made);
    const find = (): number | undefined => childrenOf(server.pid, shipper).find(({ uid }) => uid === 0)?.pid;
    const reached = (): number => inStream(receiver).length;
    for (let round = 0; round < 3; round += 1) {
      await eventually(() => find() !== undefined);
      const [before, pid] = [reached(), find() ?? 0];
      const asking = Array.from({ length: 20 }, () => look(made, server));
      const enough = before + 1 + Math.floor(Math.random() * 15);
      await eventually(() => reached() >= enough);
      process.kill(pid, 'SIGKILL');
      await Promise.all(asking);
    }
    expect(await server.stop()).toBe(0);
    const all = recorded(made);
    expect(all.length).toBeGreaterThan(60);
    expect(accessesIn(inFile(join(made.directory, 'audit/access.jsonl')))).toEqual(all);
    expect(accessesIn(inStream(receiver)).filter((uid) => all.includes(uid))).toEqual(all);
  });

  test('a control plane without workers delivers it too', async () => {
    const receiver = await redis();
    const made = await install((place) => ({
      runAs,
      sinks: [file('soc', join(folder(place, 'soc'), 'records.jsonl')), stream(receiver)],
    }));
    const server = await serve(made, 'control');
    await look(made, server);
    await eventually(() => classesOf(inStream(receiver)).has(6003));
    expect(childrenOf(server.pid, shipper).map(({ uid }) => uid)).toEqual([0]);
    expect(await server.stop()).toBe(0);
    expect(accessesIn(inFile(join(made.directory, 'soc/records-access.jsonl')))).toEqual(recorded(made));
  });

  test('it goes on where one process for all was, when workers become another user’s', async () => {
    const made = await install((place) => ({
      sinks: [file('soc', join(folder(place, 'soc'), 'records.jsonl'), { records: 'access' })],
    }));
    const path = join(made.directory, 'soc/records.jsonl');
    for (const user of [undefined, runAs]) {
      if (user !== undefined) {
        const document = parseDocument(await readFile(made.configFile, 'utf8'));
        document.set('runAs', document.createNode(user));
        await writeFile(made.configFile, String(document));
      }
      const server = await serve(made);
      await look(made, server);
      expect(await server.stop()).toBe(0);
    }
    const uids = inFile(path).map(({ metadata }) => metadata.uid);
    // Each once: nothing was delivered anew.
    expect(uids).toEqual([...new Set(uids)]);
    expect(uids).toEqual(recorded(made).slice(0, uids.length));
    expect(uids.length).toBeGreaterThan(2);
  });
});

test('a control plane of one user for all delivers its access log to a file', async () => {
  const made = await install((place) => ({
    sinks: [
      file('soc', join(folder(place, 'soc'), 'records.jsonl')),
      file('flows', join(place.directory, 'soc/flows.jsonl'), { records: 'flows' }),
    ],
  }));
  const server = await serve(made, 'control');
  await look(made, server);
  await eventually(() => classesOf(inFile(join(made.directory, 'soc/records.jsonl'))).has(6003));
  expect(inFile(join(made.directory, 'soc/flows.jsonl'))).toEqual([]);
  expect(await healthOf(server, 'flows')).toMatchObject({ lagRecords: 0 });
  expect(childrenOf(server.pid, shipper)).toHaveLength(1);
});
