import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startFauxqs } from 'fauxqs';
import type { FauxqsServer } from 'fauxqs';
import { expect, onTestFinished, test } from 'vitest';
import type { S3SinkSettings } from '../../../src/contract/sinks.ts';
import { openS3Bucket } from '../../../src/flow/archive/s3-bucket.ts';
import { flowPlacesOf } from '../../../src/flow/search/flow-places.ts';
import { createFlowSearch } from '../../../src/flow/search/search-flows.ts';
import type { FlowSearch } from '../../../src/flow/search/search-flows.ts';
import { openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered, deniedFacts, monday, refused } from '../samples.ts';
import { delivered, eventually, forCenturies, ship } from '../shipper/shipping.ts';
import { counts, makeData, rows } from './archiving.ts';

const sinkAt = (url: string, more: Partial<S3SinkSettings> = {}): S3SinkSettings => ({
  name: 'cold',
  type: 's3',
  from: 'beginning',
  format: 'ocsf',
  url,
  region: 'eu-west-3',
  bucket: 'records',
  prefix: 'postern/',
  pathStyle: true,
  accessKeyId: 'AKIAEXAMPLE',
  secretKeyFile: 'cold.secret',
  // Sooner than settings may say it: nobody waits in a test.
  flushMinutes: 0.001,
  maxMegabytes: 16,
  timeoutSeconds: 5,
  ...more,
});
const secret = 'wJalrXUtnFEMI/K7MDENG';

async function startStorage(port = 0): Promise<FauxqsServer> {
  const server = await startFauxqs({ port, logger: false });
  server.createBucket('records');
  onTestFinished(() => server.stop());
  return server;
}

function searchIn(data: string, settings: S3SinkSettings): FlowSearch {
  const search = createFlowSearch(flowPlacesOf(data, [{ settings, secret }]), {
    memoryMegabytes: 256,
    threads: 1,
  });
  onTestFinished(() => search.close());
  return search;
}
const keysIn = async (settings: S3SinkSettings): Promise<string[]> => {
  const bucket = openS3Bucket({ settings, secret });
  const names: string[] = [];
  for await (const { name } of bucket.list('')) names.push(name);
  bucket.close();
  return names;
};

test('writes an hour and a retention class into object storage, and searches what is there', async () => {
  const { data, flows, sinks, archive } = makeData();
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  recorder.request(
    { ...deniedFacts, startedAt: monday + 3_600_000 },
    { ...refused, endedAt: monday + 3_600_000 },
  );
  await whenWritten(recorder);
  const settings = sinkAt((await startStorage()).address);
  const shipper = await ship(flows, sinks, [{ settings, secret }], archive);
  await delivered(shipper);
  expect((await keysIn(settings)).map((name) => name.replace(/[^/]+$/, ''))).toEqual([
    'keep=flows/date=2026-01-05/hour=08/',
    'keep=security/date=2026-01-05/hour=09/',
  ]);
  const search = searchIn(data, settings);
  const found = async (more: object) => {
    const answer = await search.ask(rows({ from: 'cold', ...more }));
    return answer.kind === 'rows' ? answer.rows.map(({ sequence }) => sequence) : [];
  };
  expect(await found({})).toEqual([2, 1]);
  expect(await found({ filter: { verdict: 'denied' } })).toEqual([2]);
  // Of one hour of one day.
  expect(await found({ since: monday, until: monday + 3_600_000 })).toEqual([1]);
  expect(await found({ since: monday + 86_400_000, until: monday + 2 * 86_400_000 })).toEqual([]);
  expect(await search.ask(counts(['app'], { from: 'cold' }))).toMatchObject({
    counts: [{ allowed: 1, denied: 1 }],
  });
  expect(readdirSync(join(sinks, 'cold.fetched'))).toHaveLength(2);
});

test('acknowledges nothing while the storage is away, and has each record once when it is back', async () => {
  const { data, flows, sinks, archive } = makeData();
  const recorder = openRecorder(flows);
  for (let index = 0; index < 5; index += 1) recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const first = await startStorage();
  const settings = sinkAt(first.address);
  await first.stop();
  const shipper = await ship(flows, sinks, [{ settings, secret }], archive);
  await eventually(() => shipper.troubles.length > 0);
  expect(await shipper.health()).toMatchObject([
    { lagRecords: 5, delivered: 0, problem: expect.stringContaining(settings.url) },
  ]);
  // What was staged for it is whole, and nothing else is taken before it is there.
  expect(readdirSync(join(sinks, 'cold.staging'))).toHaveLength(1);
  const back = await startStorage(first.port);
  await delivered(shipper);
  expect(await keysIn({ ...settings, url: back.address })).toHaveLength(1);
  expect(await searchIn(data, settings).ask(counts(['app'], { from: 'cold' }))).toMatchObject({
    counts: [{ allowed: 5 }],
  });
  expect(readdirSync(join(sinks, 'cold.staging'))).toEqual([]);
});

test('locks an object until its records have had their time, says its checksum, and repeats what the storage says', async () => {
  const { flows, sinks, archive } = makeData();
  const recorder = openRecorder(flows);
  recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  const asked: IncomingMessage[] = [];
  const server = createServer((request: IncomingMessage, response: ServerResponse) => {
    asked.push(request);
    request.resume();
    response.writeHead(403, { 'content-type': 'application/xml' });
    response.end('<Error><Code>AccessDenied</Code><Message>Object lock is off</Message></Error>');
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const settings = sinkAt(`http://127.0.0.1:${port}`, { objectLock: 'compliance' });
  const shipper = await ship(flows, sinks, [{ settings, secret }], archive);
  await eventually(() => shipper.troubles.length > 0);
  expect(shipper.troubles[0]).toMatchObject({
    problem: expect.stringMatching(/records: AccessDenied: Object lock is off$/),
  });
  const [put] = asked;
  expect(put?.method).toBe('PUT');
  expect(put?.url).toMatch(
    /^\/records\/postern\/keep%3Dflows\/date%3D2026-01-05\/hour%3D08\/gateway-example-org-[0-9a-f]+\.00000001-00000001\.parquet/,
  );
  expect(put?.headers).toMatchObject({
    authorization: expect.stringMatching(
      /^AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE\/\d+\/eu-west-3\/s3\/aws4_request/,
    ),
    'x-amz-checksum-sha256': expect.stringMatching(/^[A-Za-z0-9+/]{43}=$/),
    'x-amz-object-lock-mode': 'COMPLIANCE',
    // The end of that hour and the days of its class.
    'x-amz-object-lock-retain-until-date': new Date(monday + 3_600_000 + forCenturies.flows * 86_400_000)
      .toISOString()
      .replace('.000Z', 'Z'),
  });
  expect(JSON.stringify(put?.headers)).not.toContain(secret);
  expect(existsSync(join(sinks, 'cold.cursor'))).toBe(true);
});
