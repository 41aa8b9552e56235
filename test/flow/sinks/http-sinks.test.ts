import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type {
  ElasticsearchSinkSettings,
  LokiSinkSettings,
  SplunkSinkSettings,
} from '../../../src/contract/sinks.ts';
import { createSplunkSink } from '../../../src/flow/sinks/splunk-sink.ts';
import { makeOrganization } from '../../lab/pki.ts';
import { linesIn } from '../../lab/flow-records.ts';
import { startHttpReceiver } from '../../lab/servers/http-receiver.ts';
import type { Answering, HttpReceiver } from '../../lab/servers/http-receiver.ts';
import { recordEveryKind } from '../every-record.ts';
import { makeFlowDirectory, openRecorder, whenWritten } from '../flow-directory.ts';
import { allowedFacts, answered } from '../samples.ts';
import { delivered, eventually, makeDirectory, ship } from '../shipper/shipping.ts';

/*
 * These receivers do not run here: each answers as its documentation says that it does.
 */

const common = { from: 'beginning', format: 'ocsf', timeoutSeconds: 5 } as const;

async function receiver(answer: Answering): Promise<HttpReceiver> {
  const started = await startHttpReceiver(answer);
  onTestFinished(() => started.stop());
  return started;
}

async function spool(count?: number) {
  const [flows, sinks] = [makeFlowDirectory(), makeDirectory()];
  const recorder = openRecorder(flows);
  if (count === undefined) recordEveryKind(recorder);
  else for (let index = 0; index < count; index += 1) recorder.request(allowedFacts, answered);
  await whenWritten(recorder);
  return { flows, sinks, lines: linesIn(flows) };
}
const uidOf = (line: string): string => (JSON.parse(line) as { metadata: { uid: string } }).metadata.uid;
const classOf = (line: string): string => String((JSON.parse(line) as { class_uid: number }).class_uid);
const refusedIn = (sinks: string, name: string): { reason: string; record: string }[] => {
  const path = join(sinks, `${name}.refused`);
  const lines = existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(0, -1) : [];
  return lines.map((line) => JSON.parse(line) as { reason: string; record: string });
};

describe('elasticsearch', () => {
  const settings = (url: string): ElasticsearchSinkSettings => ({
    ...common,
    name: 'es',
    type: 'elasticsearch',
    url,
    index: 'postern-flows',
  });
  /** Pairs of a bulk body: the action and its document. */
  const documents = (body: string): { id: string; document: string }[] => {
    const lines = body.split('\n').slice(0, -1);
    return lines.flatMap((line, index) => {
      if (index % 2 === 1) return [];
      const { create } = JSON.parse(line) as { create: { _index: string; _id: string } };
      expect(create._index).toBe('postern-flows');
      return [{ id: create._id, document: lines[index + 1] ?? '' }];
    });
  };
  const bulk = (statuses: readonly number[]) => ({
    status: 200,
    body: {
      errors: statuses.some((status) => status >= 300),
      items: statuses.map((status) => ({
        create: { status, ...(status < 300 ? {} : { error: { type: 'a_type', reason: `why ${status}` } }) },
      })),
    },
  });

  test('creates each record once under its uid', async () => {
    const { flows, sinks, lines } = await spool();
    const { url, posted } = await receiver(({ body }) => bulk(documents(body).map(() => 201)));
    const shipper = await ship(flows, sinks, [
      { settings: { ...settings(`${url}/es/`), auth: { apiKeyFile: 'f' } }, secret: 'a-key' },
    ]);
    await delivered(shipper);
    const [only] = posted;
    expect(posted).toHaveLength(1);
    expect(only?.path).toMatch(/^\/es\/_bulk\?filter_path=errors/);
    expect(only?.headers).toMatchObject({
      authorization: 'ApiKey a-key',
      'content-type': 'application/x-ndjson',
    });
    expect(documents(only?.body ?? '')).toEqual(lines.map((line) => ({ id: uidOf(line), document: line })));
    expect(shipper.troubles).toEqual([]);
  });

  test('keeps what the receiver will never take, with its reason, and goes on', async () => {
    const { flows, sinks, lines } = await spool(3);
    const bad = uidOf(lines[1] ?? '');
    const { url } = await receiver(({ body }) =>
      bulk(documents(body).map(({ id }) => (id === bad ? 400 : 201))),
    );
    const shipper = await ship(flows, sinks, [settings(url)]);
    await delivered(shipper);
    expect(refusedIn(sinks, 'es')).toMatchObject([{ reason: 'a_type: why 400', record: lines[1] }]);
    expect((await shipper.health())[0]).toMatchObject({ delivered: 2, refused: 1, problem: undefined });
  });

  test('sends all again when it is too busy for some, and what is there from before counts as there', async () => {
    const { flows, sinks, lines } = await spool(3);
    const stored = new Set<string>();
    let attempts = 0;
    const { url } = await receiver(({ body }) => {
      attempts += 1;
      return bulk(
        documents(body).map(({ id }, index) => {
          if (attempts === 1 && index === 1) return 429;
          if (stored.has(id)) return 409;
          stored.add(id);
          return 201;
        }),
      );
    });
    const shipper = await ship(flows, sinks, [settings(url)]);
    await delivered(shipper);
    expect([...stored].toSorted()).toEqual(lines.map(uidOf).toSorted());
    expect(attempts).toBe(2);
    expect(shipper.troubles).toMatchObject([{ problem: expect.stringContaining('429') as string }]);
    expect(refusedIn(sinks, 'es')).toEqual([]);
  });

  test.each([
    ['401 for all', { status: 401, body: { error: 'no such key' } }, /answers 401: .*no such key/],
    ['no such index', bulk([404]), /answers 404 for a record: a_type: why 404/],
    ['something else', { status: 200, body: { hello: 'world' } }, /something else than a bulk/],
  ])('waits, refuses nothing, and says why at %s', async (_, answer, why) => {
    const { flows, sinks } = await spool(1);
    const { url } = await receiver(() => answer);
    const shipper = await ship(flows, sinks, [settings(url)]);
    await eventually(() => shipper.troubles.length > 0);
    expect((await shipper.health())[0]).toMatchObject({
      lagRecords: 1,
      delivered: 0,
      refused: 0,
      problem: expect.stringMatching(why) as string,
    });
    expect(refusedIn(sinks, 'es')).toEqual([]);
  });

  test('halves a batch that is too large, down to the record that is too large alone', async () => {
    const { flows, sinks, lines } = await spool(9);
    const huge = uidOf(lines[5] ?? '');
    const stored: string[] = [];
    const { url } = await receiver(({ body }) => {
      const ids = documents(body).map(({ id }) => id);
      if (ids.includes(huge)) return { status: 413, body: 'too large' };
      stored.push(...ids);
      return bulk(ids.map(() => 201));
    });
    const shipper = await ship(flows, sinks, [settings(url)]);
    await delivered(shipper);
    expect(stored).toEqual(lines.map(uidOf).filter((uid) => uid !== huge));
    expect(refusedIn(sinks, 'es')).toMatchObject([
      { reason: expect.stringContaining('413') as string, record: lines[5] },
    ]);
  });

  test('over mutual TLS, and not to a receiver whose certificate is of another authority', async () => {
    const organization = await makeOrganization();
    const [server, client] = [await organization.issueControl(), await organization.issueDevice()];
    const receiving = await startHttpReceiver(({ body }) => bulk(documents(body).map(() => 201)), {
      cert: server.chainPem,
      key: server.keyPem,
      ca: organization.deviceAuthorityPem,
      requestCert: true,
      rejectUnauthorized: true,
    });
    onTestFinished(() => receiving.stop());
    const { flows, sinks } = await spool(1);
    const tls = { ca: organization.rootPem, certificate: client.chainPem, key: client.keyPem };
    const shipper = await ship(flows, sinks, [
      { settings: settings(receiving.url), tls },
      {
        settings: { ...settings(receiving.url), name: 'wrong' },
        tls: { ...tls, ca: organization.deviceAuthorityPem },
      },
      { settings: { ...settings(receiving.url), name: 'nobody' }, tls: { ca: organization.rootPem } },
    ]);
    await eventually(async () => {
      const [good, wrong, nobody] = await shipper.health();
      return good?.delivered === 1 && wrong?.problem !== undefined && nobody?.problem !== undefined;
    });
    expect(receiving.posted).toHaveLength(1);
  });

  test('a receiver that does not answer is an error after its time', async () => {
    const { flows, sinks } = await spool(1);
    const { url } = await receiver(() => 'silence');
    const shipper = await ship(flows, sinks, [{ ...settings(url), timeoutSeconds: 1 }]);
    await eventually(() => shipper.troubles.length > 0);
    expect((await shipper.health())[0]).toMatchObject({ lagRecords: 1, delivered: 0 });
  });
});

describe('splunk', () => {
  const settings = (url: string, acknowledge: boolean): SplunkSinkSettings => ({
    ...common,
    name: 'splunk',
    type: 'splunk',
    url,
    tokenFile: 'f',
    acknowledge,
    index: 'postern',
  });
  interface Event {
    readonly time: number;
    readonly host: string;
    readonly sourcetype: string;
    readonly index: string;
    readonly event: object;
  }
  const events = (body: string): Event[] => body.split('\n').map((line) => JSON.parse(line) as Event);

  test('sends events, and counts them as delivered when Splunk says that they are indexed', async () => {
    const { flows, sinks, lines } = await spool();
    let asked = 0;
    const { url, posted } = await receiver(({ path, body }) => {
      if (path === '/services/collector/event')
        return { status: 200, body: { text: 'Success', code: 0, ackId: 7 } };
      expect(JSON.parse(body)).toEqual({ acks: [7] });
      asked += 1;
      return { status: 200, body: { acks: { 7: asked >= 2 } } };
    });
    const shipper = await ship(flows, sinks, [{ settings: settings(url, true), secret: 'a-token' }]);
    await eventually(() => asked === 1);
    expect((await shipper.health())[0]).toMatchObject({ delivered: 0, lagRecords: lines.length });
    await delivered(shipper);
    expect(asked).toBe(2);
    const sent = events(posted[0]?.body ?? '');
    expect(sent.map(({ event }) => event)).toEqual(lines.map((line) => JSON.parse(line) as object));
    expect(sent[0]).toMatchObject({
      host: 'gateway.example.org',
      sourcetype: 'postern:ocsf',
      index: 'postern',
    });
    expect(sent[0]?.time).toBe((JSON.parse(lines[0] ?? '') as { time: number }).time / 1000);
    const channels = new Set(posted.map(({ headers }) => headers['x-splunk-request-channel']));
    expect(channels.size).toBe(1);
    expect([...channels][0]).toMatch(/^[0-9a-f-]{36}$/);
    expect(posted.every(({ headers }) => headers.authorization === 'Splunk a-token')).toBe(true);
  });

  test('sends again what is not indexed in time', async () => {
    const { url } = await receiver(({ path }) =>
      path.endsWith('/ack')
        ? { status: 200, body: { acks: { 0: false } } }
        : { status: 200, body: { code: 0, ackId: 0 } },
    );
    const sink = createSplunkSink(
      settings(url, true),
      { settings: settings(url, true) },
      { askEveryMs: 5, indexedWithinMs: 20 },
    );
    onTestFinished(() => sink.close());
    const { acknowledged } = await sink.send([{ text: '{}', record: {} }]);
    await expect(acknowledged).rejects.toThrow(/did not index a batch within/);
  });

  test('says so where the token acknowledges nothing', async () => {
    const { flows, sinks } = await spool(1);
    const { url } = await receiver(() => ({ status: 200, body: { text: 'Success', code: 0 } }));
    const shipper = await ship(flows, sinks, [{ settings: settings(url, true), secret: 't' }]);
    await eventually(() => shipper.troubles.length > 0);
    expect((await shipper.health())[0]?.problem).toMatch(/turn on indexer acknowledgment/);
  });

  test('an event that it does not take is refused alone; a wrong token or index waits for a person', async () => {
    const { flows, sinks, lines } = await spool(4);
    const { url } = await receiver(({ body }) =>
      body.includes(uidOf(lines[2] ?? ''))
        ? { status: 400, body: { text: 'Invalid data format', code: 6, 'invalid-event-number': 0 } }
        : { status: 200, body: { text: 'Success', code: 0 } },
    );
    const shipper = await ship(flows, sinks, [{ settings: settings(url, false), secret: 't' }]);
    await delivered(shipper);
    expect(refusedIn(sinks, 'splunk').map(({ record }) => record)).toEqual([lines[2]]);

    const other = await spool(1);
    const wrong = await receiver(() => ({ status: 400, body: { text: 'Incorrect index', code: 7 } }));
    const waiting = await ship(other.flows, other.sinks, [
      { settings: settings(wrong.url, false), secret: 't' },
    ]);
    await eventually(() => waiting.troubles.length > 0);
    expect((await waiting.health())[0]).toMatchObject({
      refused: 0,
      problem: expect.stringContaining('Incorrect index') as string,
    });
  });
});

describe('loki', () => {
  const settings = (url: string): LokiSinkSettings => ({
    ...common,
    name: 'loki',
    type: 'loki',
    url,
    format: 'ocsf',
  });
  interface Push {
    readonly streams: { readonly stream: Record<string, string>; readonly values: [string, string][] }[];
  }

  test('pushes lines under few labels, with nanoseconds as text', async () => {
    const { flows, sinks, lines } = await spool();
    const { url, posted } = await receiver(() => ({ status: 204 }));
    const auth = { username: '1234', passwordFile: 'f' };
    const shipper = await ship(flows, sinks, [
      { settings: { ...settings(url), auth, tenant: 'soc' }, secret: 'pass' },
    ]);
    await delivered(shipper);
    expect(posted[0]).toMatchObject({
      path: '/loki/api/v1/push',
      headers: { authorization: `Basic ${btoa('1234:pass')}`, 'x-scope-orgid': 'soc' },
    });
    const { streams } = JSON.parse(posted[0]?.body ?? '') as Push;
    expect(
      streams.map(({ stream }) => stream).toSorted((a, b) => Number(a['class']) - Number(b['class'])),
    ).toEqual(
      [...new Set(lines.map(classOf))].toSorted().map((uid) => ({
        service_name: 'postern',
        class: uid,
        gateway: 'gateway.example.org',
      })),
    );
    const values = streams.flatMap((stream) => stream.values);
    expect(values.map(([, line]) => line).toSorted()).toEqual(lines.toSorted());
    for (const [time, line] of values)
      expect(time).toBe(`${(JSON.parse(line) as { time: number }).time}000000`);
  });

  test('a record that is too old for it is refused alone, and 429 waits', async () => {
    const { flows, sinks, lines } = await spool(4);
    let attempts = 0;
    const { url } = await receiver(({ body }) => {
      attempts += 1;
      if (attempts === 1) return { status: 429, body: 'rate limit' };
      return body.includes(uidOf(lines[0] ?? ''))
        ? { status: 400, body: 'entry too far behind' }
        : { status: 204 };
    });
    const shipper = await ship(flows, sinks, [settings(url)]);
    await delivered(shipper);
    expect(refusedIn(sinks, 'loki')).toMatchObject([
      { reason: expect.stringContaining('too far behind') as string, record: lines[0] },
    ]);
    expect(shipper.troubles).toMatchObject([{ problem: expect.stringContaining('429') as string }]);
  });
});
