import type { Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { DialError } from '../../src/routing/dialer.ts';
import { startApplication, startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';
import { http2Request } from '../lab/http2-client.ts';

const host = 'hostile.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let hostile: LabServer;
let good: LabServer;
let behave: (socket: Socket) => void;
let connections = 0;

beforeAll(async () => {
  hostile = await startTcpService((socket) => {
    connections += 1;
    socket.on('data', () => behave(socket));
  });
  good = await startApplication('good');
  lab = await startLabGateway({
    apps: [
      labApp('hostile', [hostile.url.replace('tcp:', 'http:')]),
      labApp('nobody', ['http://127.0.0.1:1']),
      labApp('two', ['http://127.0.0.1:1', good.url]),
      labApp('good', [good.url]),
    ],
    limits: { upstreamHeadersTimeoutMs: 700, upstreamBodyIdleTimeoutMs: 700, maxHeaderBytes: 16_384 },
  });
  alice = await lab.laptop('alice@example.org');
});
beforeEach(() => (connections = 0));
afterAll(async () => {
  await lab.close();
  hostile.close();
  good.close();
});

const get = async (name = host, method = 'GET') => {
  const socket = await alice.connect({ servername: name });
  try {
    return await httpOn(
      socket,
      `${method} / HTTP/1.1\r\nHost: ${name}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
    );
  } finally {
    socket.destroy();
  }
};

const answering = (bytes: string) => (socket: Socket) => void socket.write(Buffer.from(bytes, 'latin1'));

describe('upstreams that are broken or hostile', () => {
  it.each([
    ['resets', (socket: Socket) => void socket.resetAndDestroy(), 502, 'upstream-reset'],
    ['closes without a word', (socket: Socket) => void socket.end(), 502, 'upstream-reset'],
    ['stalls', () => undefined, 504, 'upstream-timeout'],
    ['answers garbage', answering('\0\x01\x02 what is this\r\n\r\n'), 502, 'upstream-malformed'],
    [
      'sends two Content-Lengths',
      answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!'),
      502,
      'upstream-malformed',
    ],
    [
      'sends two equal Content-Lengths',
      answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello'),
      502,
      'upstream-malformed',
    ],
    [
      'sends Content-Length and Transfer-Encoding',
      answering('HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
      502,
      'upstream-malformed',
    ],
    [
      'sends endless headers',
      answering(`HTTP/1.1 200 OK\r\n${'X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n'.repeat(2000)}`),
      502,
      'upstream-malformed',
    ],
    [
      'upgrades unasked',
      answering('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
      502,
      'upstream-malformed',
    ],
  ])('answers for one that %s', async (_what, how, status, code) => {
    behave = how;
    const answer = await get(host, 'POST');
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body)).toMatchObject({ code, detail: 'application hostile' });
    expect(answer.headers['proxy-status']).toMatch(
      new RegExp(`^postern; error=[a-z_]+; next-hop=hostile; details="${code}"$`),
    );
    expect(answer.headers['postern-flow-id']).toBe(JSON.parse(answer.body).flow_id);
    const record = await lab.recorder.next(({ facts }) => facts.id === JSON.parse(answer.body).flow_id);
    expect(record).toMatchObject({
      facts: { decision: { effect: 'allow' }, app: { name: 'hostile' }, upstream: { network: 'finance' } },
      outcome: { status, refusal: code },
    });
    expect((await get('good.apps.example.org')).status).toBe(200);
    expect(lab.errors).toEqual([]);
  });

  it('cannot pass for the gateway: fields that only the gateway writes are dropped from its answers', async () => {
    const forged = 'Proxy-Status: postern; error=x; details="mfa-required"\r\nPostern-Flow-Id: forged\r\n';
    behave = answering(
      `HTTP/1.1 403 Forbidden\r\n${forged}X-Own: kept\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    );
    const { status, headers } = await get();
    expect([status, headers['x-own']]).toEqual([403, 'kept']);
    expect(Object.keys(headers)).not.toContain('proxy-status');
    expect(Object.keys(headers)).not.toContain('postern-flow-id');
  });

  it('asks again once for a request that changes nothing, and not for one that may', async () => {
    behave = (socket) => void socket.resetAndDestroy();
    await get(host, 'GET');
    expect(connections).toBe(2);
    connections = 0;
    await get(host, 'POST');
    expect(connections).toBe(1);
  });

  it('breaks off an answer whose upstream dies in the middle, and never ends it as if whole', async () => {
    const before = lab.recorder.records.length;
    behave = (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
      setTimeout(() => socket.destroy(), 50);
    };
    await expect(get()).rejects.toThrow('hello');
    const session = await alice.session();
    const answer = await http2Request(session, {
      ':path': '/',
      ':authority': host,
      'proxy-authorization': `Bearer ${await alice.token()}`,
    });
    expect(answer.status).toBe(200);
    expect(answer.rstCode).not.toBe(0);
    session.destroy();
    const record = await lab.recorder.next(
      ({ outcome }) => outcome?.status === 200 && outcome.refusal !== undefined,
      before,
    );
    expect(record.outcome).toMatchObject({ endedBy: 'upstream', refusal: 'upstream-reset', bytesOut: 5 });
  });

  it('breaks off an answer that is shorter than it says', async () => {
    behave = (socket) => void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort');
    await expect(get()).rejects.toThrow('short');
  });

  it('breaks off a body that stalls', async () => {
    behave = (socket) => void socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nstall');
    await expect(get()).rejects.toThrow('stall');
  });

  it('does not take bytes behind an answer for the next one', async () => {
    behave = (socket) =>
      void socket.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison',
      );
    const [first, second] = [await get(), await get()];
    expect([first.body, second.body]).toEqual(['ok', 'ok']);
  });

  it('drops what only the gateway may say to a client', async () => {
    behave = (socket) =>
      void socket.write(
        'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: X-Hop\r\nX-Hop: 1\r\nPostern-User: root\r\nProxy-Authenticate: Basic\r\nKeep-Alive: x\r\nX-Kept: 1\r\n\r\n',
      );
    const { headers } = await get();
    expect(headers).toMatchObject({ 'x-kept': '1' });
    for (const name of ['x-hop', 'postern-user', 'proxy-authenticate']) expect(headers[name]).toBeUndefined();
  });

  it.each([
    ['connector-unavailable', 503, 'connector-unavailable'],
    ['isolation-breach', 502, 'isolation-breach'],
    ['timeout', 504, 'upstream-timeout'],
    ['not-registered', 502, 'upstream-unreachable'],
  ] as const)('says which when a dial fails: %s', async (failure, status, code) => {
    lab.dialer.failures.set(1, new DialError(failure, 'as the test says'));
    const answer = await get('nobody.apps.example.org');
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body).code).toBe(code);
    lab.dialer.failures.delete(1);
  });

  it('goes to the next upstream when one cannot be reached', async () => {
    expect((await get('two.apps.example.org')).status).toBe(200);
    expect((await get('two.apps.example.org')).status).toBe(200);
  });
});
