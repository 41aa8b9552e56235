import type { TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { App } from '../../src/domain/resources.ts';
import { createWaf } from '../../src/gateway/waf/waf.ts';
import type { Waf } from '../../src/gateway/waf/waf.ts';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop, Recorded } from '../lab/gateway.ts';
import { recordsIn } from '../lab/flow-records.ts';
import { httpOn } from '../lab/http-client.ts';
import { http2Request, http2Tunnel } from '../lab/http2-client.ts';

/** Rules of this test: an attack is the word `attack`, and `hang` is what a rule would take for ever over. */
const rules = `
SecRule REQUEST_COOKIES|ARGS_NAMES|ARGS|REQUEST_FILENAME|REQUEST_HEADERS:User-Agent|XML:/* "@rx attack" \\
  "id:1000,phase:2,block,t:none,t:urlDecodeUni,t:lowercase,msg:'Attack in %{MATCHED_VAR_NAME}',setvar:'tx.anomaly_score_pl1=+5'"
SecRule REQUEST_HEADERS:X-Odd "@rx ." "id:1001,phase:1,block,msg:'Odd',setvar:'tx.anomaly_score_pl1=+2'"`;
const bound = 2048;
const form = 'application/x-www-form-urlencoded';

let upstream: LabServer;
let lab: LabGateway;
let alice: LabLaptop;
let waf: Waf;
/** While set, the rules answer this. */
let failure: Awaited<ReturnType<Waf['inspect']>> | undefined;
let held: Promise<void> | undefined;
const asked: string[] = [];
const waiting = new Set<() => void>();
/** Once so many requests were asked about. */
const whenAsked = (count: number): Promise<void> =>
  new Promise((resolve) => {
    const look = (): void => {
      if (asked.length < count || !waiting.delete(look)) return;
      resolve();
    };
    waiting.add(look);
    look();
  });

const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const hostOf = (name: string): string => `${name}.apps.example.org`;

beforeAll(async () => {
  upstream = await startApplication('app');
  waf = createWaf({ coreRuleSet: { files: { 'REQUEST-1.conf': rules } }, timeoutMs: 60_000, log });
  const app = (name: string, more: Partial<App> = {}): App =>
    labApp(name, [upstream.url], { inspect: ['waf'], ...more });
  lab = await startLabGateway({
    apps: [
      app('detects'),
      app('blocks', { waf: { mode: 'block' } }),
      app('small', { waf: { mode: 'block', whenTooLarge: 'refuse' } }),
      app('tolerant', {
        waf: { mode: 'block', threshold: 6, exclude: [{ rules: [1000], arguments: ['free'] }] },
      }),
      app('more', { inspect: ['waf', 'malware'] }),
      labApp('plain', [upstream.url]),
      labApp('stream', ['tcp://127.0.0.1:9'], { protocol: 'tcp', ports: [9], inspect: ['waf'] }),
    ],
    inspection: { coreRuleSet: '.', maxBodyBytes: bound, maxHeldBytes: 64 * bound, timeoutMs: 1000 },
    waf: {
      ...waf,
      async inspect(owner, request, profile) {
        asked.push(request.target);
        for (const look of waiting) look();
        await held;
        return failure ?? waf.inspect(owner, request, profile);
      },
    },
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  await waf.close();
  upstream.close();
});

afterEach(() => {
  failure = undefined;
  held = undefined;
});

interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly fields?: Readonly<Record<string, string>>;
  readonly body?: string;
}

async function overHttp1(name: string, { method, path = '/', fields = {}, body }: Asked, chunked = false) {
  const from = lab.recorder.records.length;
  const socket = await alice.connect({ servername: hostOf(name) });
  const framing =
    body === undefined
      ? ''
      : chunked
        ? 'Transfer-Encoding: chunked\r\n'
        : `Content-Length: ${Buffer.byteLength(body)}\r\n`;
  const more = Object.entries(fields).map(([key, value]) => `${key}: ${value}\r\n`);
  const answer = httpOn(
    socket,
    `${method ?? (body === undefined ? 'GET' : 'POST')} ${path} HTTP/1.1\r\nHost: ${hostOf(name)}\r\n${framing}${more.join('')}Proxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
  );
  if (body !== undefined && chunked) sendChunks(socket, body);
  else if (body !== undefined) socket.write(body);
  const { status, body: text } = await answer;
  socket.destroy();
  return { status, text, record: await recordOf(name, from) };
}

/** One octet a piece, so that no reader may rely on where pieces end. */
function sendChunks(socket: TLSSocket, body: string): void {
  for (const octet of Buffer.from(body)) socket.write(Buffer.from([0x31, 0x0d, 0x0a, octet, 0x0d, 0x0a]));
  socket.write('0\r\n\r\n');
}

async function overHttp2(name: string, { method, path = '/', fields = {}, body }: Asked, _chunked = false) {
  const from = lab.recorder.records.length;
  const session = await alice.session({ servername: hostOf(name) });
  const answer = await http2Request(
    session,
    {
      ':method': method ?? (body === undefined ? 'GET' : 'POST'),
      ':scheme': 'https',
      ':authority': hostOf(name),
      ':path': path,
      'proxy-authorization': `Bearer ${await alice.token()}`,
      ...fields,
    },
    body,
  );
  session.destroy();
  return { status: answer.status, text: answer.body, record: await recordOf(name, from) };
}

const recordOf = (name: string, from: number): Promise<Recorded> =>
  lab.recorder.next(({ kind, facts }) => kind === 'request' && facts.app?.name === name, from);

/** The gateway has noticed that each client is gone. */
const nobodyConnected = (): Promise<void> =>
  expect.poll(() => lab.gateway.counters().connections, { timeout: 25_000 }).toBe(0);

const wafOf = ({ facts }: Recorded) => facts.inspections?.waf;
const found = { found: ['1000'], threshold: 5, messages: ['Attack in'] };

const attacks: [string, Asked][] = [
  ['the query', { path: '/?q=an%20attack' }],
  ['an encoded query', { path: '/?q=%2561%2574tack' }],
  ['a query in fullwidth letters', { path: '/?q=%uff41ttack' }],
  ['a name', { path: '/?attack=1' }],
  ['the path', { path: '/attack' }],
  ['a cookie', { fields: { cookie: 'a=attack' } }],
  ['the user agent', { fields: { 'user-agent': 'AtTaCk/1.0' } }],
  ['a form', { fields: { 'content-type': form }, body: 'a=1&b=att%61ck' }],
  ['JSON', { fields: { 'content-type': 'application/json' }, body: '{"a":["\\u0061ttack"]}' }],
  ['XML', { fields: { 'content-type': 'text/xml' }, body: '<a>attack</a>' }],
  ['text', { fields: { 'content-type': 'text/plain' }, body: 'attack' }],
  [
    'a form in parts',
    {
      fields: { 'content-type': 'multipart/form-data; boundary=b' },
      body: '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nattack\r\n--b--\r\n',
    },
  ],
];

describe.each([
  ['HTTP/1.1', overHttp1],
  ['chunks', (name: string, asked: Asked) => overHttp1(name, asked, true)],
  ['HTTP/2', overHttp2],
] as const)('over %s an attack in', (_, ask) => {
  it.each(attacks)(
    '%s does not reach an application that blocks, and one that detects has it on record',
    async (__, attack) => {
      const before = upstream.requests.length;
      const refused = await ask('blocks', attack);
      expect([refused.status, JSON.parse(refused.text)]).toMatchObject([403, { code: 'request-suspicious' }]);
      // Nothing is said of what it was: whoever attacks would try again until it fits.
      expect(refused.text).not.toMatch(/1000|attack in/i);
      expect(upstream.requests.length).toBe(before);
      expect([wafOf(refused.record), refused.record.outcome]).toMatchObject([
        { ...found, state: 'done' },
        {
          refusal: 'request-suspicious',
          status: 403,
          detail: expect.stringMatching(/^score \d+ of 5: 1000 Attack in$/),
        },
      ]);

      const passed = await ask('detects', attack);
      expect([passed.status, upstream.requests.length]).toEqual([200, before + 1]);
      expect([wafOf(passed.record), passed.record.outcome?.refusal]).toMatchObject([
        { ...found, state: 'done' },
        undefined,
      ]);
    },
  );
});

describe('an ordinary request', () => {
  it.each([
    ['GET', { path: "/recherche?q=l'%C3%A9cole" }],
    ['POST', { fields: { 'content-type': form }, body: 'nom=D%27Hondt' }],
    [
      'PUT',
      { method: 'PUT', fields: { 'content-type': 'application/octet-stream' }, body: 'attack within a file' },
    ],
  ] as [string, Asked][])('%s reaches an application that blocks as it was sent', async (_, request) => {
    for (const ask of [overHttp1, overHttp2]) {
      const { status, text, record } = await ask('blocks', request);
      const isRead = request.method !== 'PUT';
      expect([status, JSON.parse(text)]).toMatchObject([
        200,
        { url: request.path ?? '/', body: request.body ?? '' },
      ]);
      expect(wafOf(record)).toEqual(isRead ? { state: 'done' } : { state: 'partly', why: 'opaque' });
    }
  });

  it('of two sides that talk at once begins before it has ended, and its record says that it was not read', async () => {
    const from = lab.recorder.records.length;
    const before = upstream.requests.length;
    const session = await alice.session({ servername: hostOf('blocks') });
    const stream = session.request(
      {
        ':method': 'POST',
        ':scheme': 'https',
        ':authority': hostOf('blocks'),
        ':path': '/service/talk',
        'content-type': 'application/grpc+proto',
        'proxy-authorization': `Bearer ${await alice.token()}`,
      },
      { endStream: false },
    );
    stream.write('first');
    await expect.poll(() => upstream.requests.length, { timeout: 25_000 }).toBe(before + 1);
    stream.end('last');
    stream.resume();
    const record = await recordOf('blocks', from);
    expect([wafOf(record), record.outcome?.bytesIn]).toEqual([{ state: 'partly', why: 'opaque' }, 9]);
    session.destroy();
  });

  it('to an application that asks for nothing is not looked at', async () => {
    const before = asked.length;
    const { status, record } = await overHttp1('plain', { path: '/?q=attack' });
    expect([status, asked.length, wafOf(record)]).toEqual([200, before, undefined]);
  });

  it('below the threshold passes, with its score on record', async () => {
    const { status, record } = await overHttp1('tolerant', {
      path: '/?free=attack',
      fields: { 'x-odd': '1' },
    });
    expect([status, wafOf(record)]).toEqual([
      200,
      { state: 'done', found: ['1001'], score: 2, threshold: 6, messages: ['Odd'] },
    ]);
    const refused = await overHttp1('tolerant', { path: '/?other=attack', fields: { 'x-odd': '1' } });
    expect([refused.status, wafOf(refused.record)?.score]).toEqual([403, 7]);
  });
});

describe('a body', () => {
  const fields = { 'content-type': form };
  const padded = (length: number, end = 'attack'): string => `a=${'x'.repeat(length - end.length - 2)}${end}`;

  it.each([
    ['HTTP/1.1', overHttp1],
    ['HTTP/2', overHttp2],
  ] as const)('of exactly the bound is looked at whole, over %s', async (_, ask) => {
    const attack = await ask('blocks', { fields, body: padded(bound) });
    expect([attack.status, wafOf(attack.record)?.state]).toEqual([403, 'done']);
    const clean = await ask('blocks', { fields, body: padded(bound, 'ordinary') });
    expect([clean.status, wafOf(clean.record)]).toEqual([200, { state: 'done' }]);
  });

  it('beyond the bound passes unseen from there on, whole, and its record says so', async () => {
    const body = padded(bound + 200_000);
    for (const ask of [overHttp1, overHttp2]) {
      const { status, text, record } = await ask('blocks', { fields, body });
      expect([status, (JSON.parse(text) as { body: string }).body === body]).toEqual([200, true]);
      expect([wafOf(record), record.outcome?.bytesIn]).toEqual([
        { state: 'partly', why: 'too-large' },
        body.length,
      ]);
    }
    const early = await overHttp1('blocks', { fields, body: `b=attack&${body}` });
    expect([early.status, wafOf(early.record)]).toMatchObject([
      403,
      { ...found, state: 'partly', why: 'too-large' },
    ]);
  });

  it('beyond the bound does not pass where the application wants none of that, and its record says so', async () => {
    const before = upstream.requests.length;
    const large = { fields, body: padded(bound + 1, 'ordinary') };
    for (const [ask, chunked] of [[overHttp1], [overHttp1, true], [overHttp2]] as const) {
      const { status, text, record } = await ask('small', large, chunked === true);
      expect([status, JSON.parse(text), wafOf(record)]).toMatchObject([
        413,
        { code: 'content-too-large' },
        { state: 'not-done', why: 'too-large' },
      ]);
      expect(record.outcome?.detail).toBe(`waf: more than ${bound} octets`);
    }
    expect(upstream.requests.length).toBe(before);
    expect((await overHttp1('small', { fields, body: padded(bound, 'ordinary') })).status).toBe(200);
  });

  it('that is held ends with what let it in, at once', async () => {
    const from = lab.recorder.records.length;
    const laptop = await lab.laptop('bob@example.org');
    const session = await laptop.session({ servername: hostOf('blocks') });
    const stream = session.request(
      {
        ':method': 'POST',
        ':scheme': 'https',
        ':authority': hostOf('blocks'),
        ':path': '/',
        'content-type': form,
        'proxy-authorization': `Bearer ${await laptop.token()}`,
      },
      { endStream: false },
    );
    stream.on('error', () => undefined).resume();
    stream.write('a=1');
    await expect.poll(() => lab.gateway.counters().flowsOpen, { timeout: 25_000 }).toBe(1);
    lab.commit({
      type: 'device-state-changed',
      device: laptop.certificate.id,
      state: 'quarantined',
      reason: 'test',
    });
    const record = await recordOf('blocks', from);
    expect([record.outcome, wafOf(record)]).toMatchObject([
      { endedBy: 'gateway', refusal: 'device-quarantined' },
      { state: 'not-done', why: 'unfinished' },
    ]);
    session.destroy();
  });

  it('that is encoded, or not what it says, is a finding of its own', async () => {
    const encoded = await overHttp1('blocks', {
      fields: { ...fields, 'content-encoding': 'gzip' },
      body: 'x',
    });
    const broken = await overHttp2('blocks', {
      fields: { 'content-type': 'application/json' },
      body: '{"a":1,}',
    });
    expect(
      [encoded, broken].map(({ status, record }) => [status, wafOf(record)?.found, wafOf(record)?.why]),
    ).toEqual([
      [403, ['90002'], 'encoded'],
      [403, ['90001'], undefined],
    ]);
  });

  it('is asked for where the client waits to be asked', async () => {
    const socket = await alice.connect({ servername: hostOf('blocks') });
    const answer = httpOn(
      socket,
      `POST / HTTP/1.1\r\nHost: ${hostOf('blocks')}\r\nContent-Length: 3\r\nContent-Type: ${form}\r\nExpect: 100-continue\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
    );
    socket.write('a=1');
    expect(await answer).toMatchObject({ status: 200, informational: [100] });
    socket.destroy();
  });

  it('that stops half-way, or is another length, reaches nobody', async () => {
    const before = upstream.requests.length;
    const from = lab.recorder.records.length;
    const socket = await alice.connect({ servername: hostOf('blocks') });
    socket.write(
      `POST / HTTP/1.1\r\nHost: ${hostOf('blocks')}\r\nContent-Length: 30\r\nContent-Type: ${form}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\na=1`,
    );
    await lab.recorder.next(({ kind }) => kind === 'authentication', from + 1);
    socket.destroy();
    const { outcome } = await recordOf('blocks', from);
    expect([outcome, upstream.requests.length]).toMatchObject([{ endedBy: 'client' }, before]);
    expect(lab.errors).toEqual([]);

    const over = await overHttp2('blocks', { fields: { ...fields, 'content-length': '9' }, body: 'a=1' });
    expect([over.status, upstream.requests.length]).not.toEqual([200, before + 1]);
  });

  it('is not held where too much of the same device is held already', async () => {
    const body = padded(bound, 'ordinary');
    const before = asked.length;
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    // All that it may have held, each waiting for its inspection.
    const answers = Array.from({ length: 16 }, async () => {
      const session = await alice.session({ servername: hostOf('blocks') });
      return http2Request(
        session,
        {
          ':method': 'POST',
          ':scheme': 'https',
          ':authority': hostOf('blocks'),
          ':path': '/',
          'content-type': form,
          'content-length': String(body.length),
          'proxy-authorization': `Bearer ${await alice.token()}`,
        },
        body,
      ).finally(() => session.destroy());
    });
    await whenAsked(before + 16);
    const blocked = await overHttp1('blocks', { fields, body });
    expect([blocked.status, JSON.parse(blocked.text)]).toMatchObject([
      503,
      { code: 'inspection-unavailable' },
    ]);
    const detected = await overHttp1('detects', { fields, body });
    expect([detected.status, wafOf(detected.record)]).toEqual([
      200,
      { state: 'not-done', why: 'unavailable' },
    ]);
    resolve();
    held = undefined;
    expect((await Promise.all(answers)).every(({ status }) => status === 200)).toBe(true);
    expect((await overHttp1('blocks', { fields, body })).status).toBe(200);
  });
});

describe('rules that cannot be asked', () => {
  it.each(['unavailable', 'timeout'] as const)(
    '(%s) let nothing through where an application blocks, and are on record',
    async (why) => {
      failure = { failure: why, detail: 'as the test wants it' };
      const before = upstream.requests.length;
      const blocked = await overHttp1('blocks', {});
      expect([blocked.status, upstream.requests.length]).toEqual([503, before]);
      expect([wafOf(blocked.record), blocked.record.outcome?.detail]).toEqual([
        { state: 'not-done', why },
        'waf: as the test wants it',
      ]);
      const detected = await overHttp1('detects', {});
      expect([detected.status, wafOf(detected.record)]).toEqual([200, { state: 'not-done', why }]);
      failure = undefined;
    },
  );

  it('leave nothing behind when the client leaves while they are asked', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    const [before, requests, from] = [asked.length, upstream.requests.length, lab.recorder.records.length];
    await nobodyConnected();
    const socket = await alice.connect({ servername: hostOf('blocks') });
    socket.write(
      `GET /left HTTP/1.1\r\nHost: ${hostOf('blocks')}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
    );
    await whenAsked(before + 1);
    socket.destroy();
    await nobodyConnected();
    resolve();
    held = undefined;
    const { outcome } = await recordOf('blocks', from);
    expect([outcome, upstream.requests.length]).toMatchObject([{ endedBy: 'client' }, requests]);
  });

  it('let nothing through that was revoked while they are asked', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    held = promise;
    const [before, requests, from] = [asked.length, upstream.requests.length, lab.recorder.records.length];
    const bob = await lab.laptop('bob@example.org');
    const socket = await bob.connect({ servername: hostOf('blocks') });
    socket.write(
      `GET /revoked HTTP/1.1\r\nHost: ${hostOf('blocks')}\r\nProxy-Authorization: Bearer ${await bob.token()}\r\n\r\n`,
    );
    await whenAsked(before + 1);
    lab.commit({
      type: 'device-state-changed',
      device: bob.certificate.id,
      state: 'revoked',
      reason: 'lost',
    });
    resolve();
    held = undefined;
    const { outcome } = await recordOf('blocks', from);
    expect([outcome?.status, upstream.requests.length]).toEqual([undefined, requests]);
  });
});

it('the security team is told of attacks, refused and let through, with the flows that show them', () => {
  const findings = recordsIn(lab.recorder.directory).filter(({ class_uid }) => class_uid === 2004);
  expect(findings).toMatchObject([
    {
      activity_name: 'Create',
      severity_id: 3,
      unmapped: { postern: { rule: 'requests-suspicious', app: 'blocks' } },
    },
    {
      activity_name: 'Create',
      severity_id: 4,
      unmapped: { postern: { app: 'detects', user: 'alice@example.org' } },
    },
    { activity_name: 'Create', severity_id: 3, unmapped: { postern: { app: 'tolerant' } } },
  ]);
  const [first] = lab.recorder.records.filter(({ facts }) => (wafOf({ facts } as Recorded)?.score ?? 0) >= 5);
  expect(JSON.stringify(findings[0])).toContain(first?.facts.id);
});

describe('what is no request', () => {
  it('a WebSocket passes when the request that asks for it does, and its record says that no more was seen', async () => {
    const upgrade =
      'Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n';
    for (const [path, status, more] of [
      ['/live', 101, {}],
      ['/attack', 403, { found: ['1000'], score: 5 }],
    ] as const) {
      const from = lab.recorder.records.length;
      const socket = await alice.connect({ servername: hostOf('blocks') });
      const answer = await httpOn(
        socket,
        `GET ${path} HTTP/1.1\r\nHost: ${hostOf('blocks')}\r\n${upgrade}Proxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
      );
      expect(answer.status).toBe(status);
      socket.destroy();
      const record = await lab.recorder.next(({ kind }) => kind === 'tunnel-closed', from);
      expect(wafOf(record)).toMatchObject({ state: 'partly', why: 'upgraded', ...more });
    }
  });

  it('a tunnel to an HTTP application opens, and the requests in it are looked at', async () => {
    const from = lab.recorder.records.length;
    const session = await alice.session();
    const tunnel = await http2Tunnel(session, `${hostOf('blocks')}:443`, await alice.token());
    tunnel.destroy();
    const { facts } = await lab.recorder.next(({ kind }) => kind === 'tunnel-opened', from);
    expect(facts.inspections).toBeUndefined();
    session.destroy();
  });

  it('bytes of another protocol do not pass, nor what else is to be inspected', async () => {
    const session = await alice.session();
    await expect(http2Tunnel(session, `${hostOf('stream')}:9`, await alice.token())).rejects.toThrow('503');
    session.destroy();
    const { status, text } = await overHttp1('more', {});
    expect([status, JSON.parse(text)]).toMatchObject([503, { code: 'inspection-unavailable' }]);
  });
});
