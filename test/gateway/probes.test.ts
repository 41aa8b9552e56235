import { once } from 'node:events';
import type { ClientHttp2Session } from 'node:http2';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { encodeDatagram } from '../../src/contract/datagram-capsules.ts';
import { readChecks } from '../../src/domain/posture.ts';
import type { PostureCriterion } from '../../src/domain/posture.ts';
import { readAccess } from '../../src/flow/read/recorded-access.ts';
import { DialError } from '../../src/routing/dialer.ts';
import { startApplication, startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { linesIn } from '../lab/flow-records.ts';
import { http2Request } from '../lab/http2-client.ts';
import { startDatagramEcho, startDatagramSink } from '../lab/speakers.ts';
import type { DatagramEcho, DatagramSink } from '../lab/speakers.ts';

const permit = (app: string, condition: string) => ({
  kind: 'Policy' as const,
  name: `for-${app}`,
  cedar: `permit (principal, action, resource == App::"${app}") when { ${condition} };`,
});
const upstream = (port: number): string => `tcp://127.0.0.1:${port}`;
const udpUpstream = (port: number): string => `udp://127.0.0.1:${port}`;
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;
let ledger: LabServer;
let names: DatagramEcho;
let mute: DatagramSink;

beforeAll(async () => {
  app = await startApplication('grants');
  ledger = await startTcpService((socket) => socket.write('ready\n'));
  names = await startDatagramEcho('names');
  mute = await startDatagramSink();
  const closed = await startDatagramEcho('closed');
  await closed.close();
  lab = await startLabGateway({
    apps: [
      labApp('grants', [app.url]),
      labApp('ledger', [ledger.url], { protocol: 'tcp', ports: [5432] }),
      labApp('locked', [app.url]),
      labApp('healthy', [app.url]),
      labApp('paths', [app.url]),
      labApp('mfa', [app.url]),
      labApp('inspected', [app.url], { inspect: ['waf'], waf: { mode: 'block' } }),
      labApp('names', [`udp://127.0.0.1:${names.port}`], { protocol: 'udp', ports: [53] }),
      labApp('no-names', [`udp://127.0.0.1:${closed.port}`], { protocol: 'udp', ports: [53] }),
      labApp('log', [`udp://127.0.0.1:${mute.port}`], { protocol: 'udp', ports: [514] }),
      labApp('cut-off-names', [udpUpstream(2)], { protocol: 'udp', ports: [53] }),
      labApp('gone', [upstream(1)], { protocol: 'tcp', ports: [1] }),
      labApp('cut-off', [upstream(2)], { protocol: 'tcp', ports: [2] }),
    ],
    policies: [
      ...['names', 'no-names', 'log', 'cut-off-names'].map((name) => permit(name, 'true')),
      ...['grants', 'ledger', 'inspected', 'gone', 'cut-off'].map((name) => permit(name, 'true')),
      permit('healthy', 'context.posture.diskEncrypted && context.posture.firewallEnabled'),
      permit('paths', 'context.request.path == "/"'),
      permit('mfa', 'context.signIn.mfa'),
    ],
  });
  lab.dialer.failures.set(1, new DialError('unreachable', 'ECONNREFUSED'));
  lab.dialer.failures.set(2, new DialError('connector-unavailable', 'restarting'));
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  app.close();
  ledger.close();
  await names.close();
  await mute.close();
});
afterEach(() => expect(lab.errors).toEqual([]));

const postureWith = (...sound: PostureCriterion[]) => ({
  measuredAt: Math.floor(Date.now() / 1000),
  os: 'debian',
  osVersion: '13',
  agentVersion: '0.1.0',
  checks: readChecks(Object.fromEntries(sound.map((name) => [name, true]))),
});

async function probe(session: ClientHttp2Session, name: string, token?: string, method = 'GET') {
  const answer = await http2Request(session, {
    ':method': method,
    ':scheme': 'https',
    ':authority': 'gateway.example.org',
    ':path': `/.well-known/postern/probe/${name}`,
    ...(token === undefined ? {} : { 'proxy-authorization': `Bearer ${token}` }),
  });
  return { status: answer.status, body: JSON.parse(answer.body) as unknown };
}

it.each(['grants', 'ledger'])(
  'finds %s reachable by a socket of its connector, and asks it nothing',
  async (name) => {
    const session = await alice.session();
    const from = lab.recorder.records.length;
    const dials = lab.dialer.dials.length;
    expect(await probe(session, name, await alice.token())).toEqual({
      status: 200,
      body: { app: name, allowed: true, connected: true },
    });
    expect([lab.dialer.dials.length, app.requests.length]).toEqual([dials + 1, 0]);
    expect(lab.dialer.sockets.at(-1)?.destroyed).toBe(true);
    const { facts, outcome } = await lab.recorder.next(({ kind }) => kind === 'request', from);
    expect([facts, outcome]).toMatchObject([
      {
        app: { name },
        decision: { effect: 'allow', policies: [`for-${name}`] },
        request: { authority: 'gateway.example.org', path: `/.well-known/postern/probe/${name}` },
        upstream: { network: 'finance' },
      },
      { status: 200, endedBy: 'gateway' },
    ]);
  },
);

it.each([
  ['locked', 403, 'denied'],
  ['healthy', 403, 'denied'],
  ['mfa', 401, 'mfa-required'],
  ['inspected', 503, 'inspection-unavailable'],
  ['gone', 502, 'upstream-unreachable'],
  ['cut-off', 503, 'connector-unavailable'],
  ['cut-off-names', 503, 'connector-unavailable'],
  ['none', 404, 'application-unknown'],
  ['__proto__', 404, 'application-unknown'],
  ['', 404, 'application-unknown'],
  ['grants/x', 404, 'application-unknown'],
])('refuses %s as a request would be refused: %i %s, on record', async (name, status, code) => {
  const session = await alice.session();
  const from = lab.recorder.records.length;
  const answer = await probe(session, name, await alice.token());
  expect(answer).toMatchObject({ status, body: { code } });
  const { outcome } = await lab.recorder.next(({ kind }) => kind === 'request', from);
  expect(outcome).toMatchObject({ refusal: code, status });
});

/** What a flow of one datagram leads to, until its record says that it ended. */
async function sendDatagram(session: ClientHttp2Session, app: string, port: number, token: string) {
  const from = lab.recorder.records.length;
  const stream = session.request(
    {
      ':method': 'CONNECT',
      ':protocol': 'connect-udp',
      ':scheme': 'https',
      ':authority': 'gateway.example.org',
      ':path': `/.well-known/masque/udp/${app}.apps.example.org/${port}/`,
      'capsule-protocol': '?1',
      'proxy-authorization': `Bearer ${token}`,
    },
    { endStream: false },
  );
  stream.on('error', () => undefined);
  await once(stream, 'response');
  stream.write(encodeDatagram(Buffer.from('a')));
  return {
    stream,
    over: () =>
      lab.recorder.next(({ kind, facts }) => kind === 'tunnel-closed' && facts.app?.name === app, from),
  };
}

const udp = (app: string, sign?: object) => ({
  status: 200,
  body: { app, allowed: true, connected: false, datagrams: sign === undefined ? {} : { sign } },
});
const lately = (last: string) => ({ last, secondsAgo: expect.any(Number) as number });

it('opens a socket for datagrams to a UDP app and sends nothing, so that only flows show who is there', async () => {
  const session = await alice.session();
  const token = await alice.token();
  const dials = lab.dialer.dials.length;
  expect(await probe(session, 'names', token)).toEqual(udp('names'));
  expect([lab.dialer.dials.length, names.peers.length]).toEqual([dials + 1, 0]);
  const { stream, over } = await sendDatagram(session, 'names', 53, token);
  await once(stream, 'data');
  expect(await probe(session, 'names', token)).toEqual(udp('names', lately('answered')));
  stream.end();
  await over();
  expect(names.peers.length).toBe(1);
  lab.clock.now += 301_000;
  const later = await alice.token();
  expect(await probe(session, 'names', later)).toEqual(udp('names'));
  lab.clock.now -= 301_000;
});

it('tells a UDP app that nobody listens for from one that stays silent', async () => {
  const session = await alice.session();
  const token = await alice.token();
  const refused = await sendDatagram(session, 'no-names', 53, token);
  expect((await refused.over()).outcome).toMatchObject({ refusal: 'upstream-unreachable' });
  expect(await probe(session, 'no-names', token)).toEqual(udp('no-names', lately('unreachable')));
  const silent = await sendDatagram(session, 'log', 514, token);
  await mute.heard();
  expect(await probe(session, 'log', token)).toEqual(udp('log'));
  silent.stream.end();
  await silent.over();
  expect(await probe(session, 'log', token)).toEqual(udp('log', lately('silent')));
});

it('asks no connector for an application that the policies deny', async () => {
  const dials = lab.dialer.dials.length;
  const session = await alice.session();
  await probe(session, 'locked', await alice.token());
  expect(lab.dialer.dials.length).toBe(dials);
});

it('decides as for the first page of an application', async () => {
  expect(await probe(await alice.session(), 'paths', await alice.token())).toMatchObject({ status: 200 });
});

it('names what of the laptop’s posture stands in the way, and only where mending that would open it', async () => {
  const session = await alice.session();
  const firewallOnly = await alice.token({ posture: postureWith('firewallEnabled', 'secureBoot') });
  expect(await probe(session, 'healthy', firewallOnly)).toMatchObject({
    body: { code: 'denied', detail: 'posture diskEncrypted' },
  });
  expect((await probe(session, 'locked')).body).not.toHaveProperty('detail');
  const sound = await alice.token({ posture: postureWith('firewallEnabled', 'diskEncrypted') });
  expect(await probe(session, 'healthy', sound)).toMatchObject({ status: 200 });
});

it('blames no posture where a sign-in with a second factor is all that is missing', async () => {
  const weak = await alice.token({ posture: postureWith() });
  const { status, body } = await probe(await alice.session(), 'mfa', weak);
  expect([status, body]).toMatchObject([401, { code: 'mfa-required' }]);
  expect(body).not.toHaveProperty('detail');
});

it('is no access that a replay of the policies would decide again by its path', async () => {
  const token = await alice.token();
  await probe(await alice.session(), 'grants', token);
  const line = linesIn(lab.recorder.directory).findLast((one) => one.includes('/postern/probe/grants'));
  expect(readAccess(line ?? '')).toBe('none');
});

it('answers nobody without a token, and no method but GET and HEAD', async () => {
  expect(await probe(await alice.session(), 'grants')).toMatchObject({
    status: 401,
    body: { code: 'token-missing' },
  });
  expect(await probe(await alice.session(), 'grants', await alice.token(), 'POST')).toMatchObject({
    status: 405,
    body: { code: 'method-not-allowed' },
  });
});

it('is the application’s own path where it is asked of an application', async () => {
  const answer = await http2Request(await alice.session(), {
    ':method': 'GET',
    ':scheme': 'https',
    ':authority': 'grants.apps.example.org',
    ':path': '/.well-known/postern/probe/locked',
    'proxy-authorization': `Bearer ${await alice.token()}`,
  });
  expect(JSON.parse(answer.body)).toMatchObject({
    application: 'grants',
    url: '/.well-known/postern/probe/locked',
  });
});

it('lets one laptop ask so often that it cannot be used to knock, and another go on', async () => {
  const bob = await lab.laptop('bob@example.org');
  const session = await bob.session();
  const token = await bob.token();
  const codes = new Set<unknown>();
  for (let round = 0; round < 9; round += 1) {
    const answers = await Promise.all(Array.from({ length: 30 }, () => probe(session, 'locked', token)));
    for (const { body } of answers) codes.add((body as { code: string }).code);
  }
  expect(codes).toEqual(new Set(['denied', 'rate-limited']));
  expect(await probe(await alice.session(), 'grants', await alice.token())).toMatchObject({ status: 200 });
});

it('costs the application one connection when many ask at the same time', async () => {
  const session = await alice.session();
  const token = await alice.token();
  await probe(session, 'ledger', token);
  const dials = lab.dialer.dials.length;
  const answers = await Promise.all(Array.from({ length: 20 }, () => probe(session, 'ledger')));
  expect(answers.every(({ status }) => status === 200)).toBe(true);
  expect(lab.dialer.dials.length - dials).toBeLessThan(20);
});

it('answers no device that has been revoked', async () => {
  const eve = await lab.laptop('eve@example.org');
  const session = await eve.session();
  expect(await probe(session, 'grants', await eve.token())).toMatchObject({ status: 200 });
  const closed = new Promise((resolve) => session.once('close', resolve));
  const device = eve.certificate.id;
  lab.commit({ type: 'device-state-changed', device, state: 'revoked', reason: 'stolen' });
  await closed;
  await expect(eve.session()).rejects.toThrow();
});
