import { once } from 'node:events';
import type { ClientHttp2Stream } from 'node:http2';
import { createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop, Recorded } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

let lab: LabGateway;
let alice: LabLaptop;
let echo: Server;

beforeEach(async () => {
  echo = createServer((socket) => socket.on('error', () => socket.destroy()).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  const { port } = echo.address() as AddressInfo;
  lab = await startLabGateway({
    apps: [labApp('echo', [`tcp://127.0.0.1:${port}`], { protocol: 'tcp', ports: [7] })],
  });
  alice = await lab.laptop('alice@example.org');
});
afterEach(async () => {
  await lab.close();
  echo.close();
});

async function openTunnel(session: Awaited<ReturnType<LabLaptop['session']>>): Promise<ClientHttp2Stream> {
  const stream = session.request({
    ':method': 'CONNECT',
    ':authority': 'echo.apps.example.org:7',
    'proxy-authorization': `Bearer ${await alice.token()}`,
  });
  await once(stream, 'response');
  return stream;
}

async function exchange(stream: ClientHttp2Stream, bytes: number): Promise<void> {
  let received = 0;
  const all = new Promise<void>((resolve) => {
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received >= bytes) resolve();
    });
  });
  stream.write(Buffer.alloc(bytes));
  await all;
  stream.removeAllListeners('data');
}

const ofKind = (kind: Recorded['kind']): Recorded[] =>
  lab.recorder.records.filter((record) => record.kind === kind);

describe('an open tunnel', () => {
  it('is recorded each minute in which it carried something, with what that was and all of it', async () => {
    const session = await alice.session();
    const stream = await openTunnel(session);
    await exchange(stream, 1000);
    expect(ofKind('tunnel-traffic')).toEqual([]);
    lab.clock.now += 60_000;
    const first = await lab.recorder.next(({ kind }) => kind === 'tunnel-traffic');
    expect(first.traffic).toMatchObject({ bytesIn: 1000, bytesOut: 1000, totalIn: 1000, totalOut: 1000 });
    expect(first.facts.upstream).toMatchObject({ address: '127.0.0.1' });
    // A minute without a byte is no news.
    lab.clock.now += 120_000;
    await exchange(stream, 500);
    const second = await lab.recorder.next(
      ({ kind }) => kind === 'tunnel-traffic',
      lab.recorder.records.indexOf(first) + 1,
    );
    expect(second.traffic).toMatchObject({ bytesIn: 500, bytesOut: 500, totalIn: 1500, totalOut: 1500 });
    expect(second.traffic?.since).toBe(first.traffic?.at);
    stream.close();
    const closed = await lab.recorder.next(({ kind }) => kind === 'tunnel-closed');
    expect(closed.outcome).toMatchObject({ bytesIn: 1500, bytesOut: 1500 });
    session.destroy();
  });

  it('is recorded at once when it carries much', async () => {
    const session = await alice.session();
    const stream = await openTunnel(session);
    await exchange(stream, 33 * 1024 * 1024);
    const { traffic } = await lab.recorder.next(({ kind }) => kind === 'tunnel-traffic');
    expect((traffic?.bytesIn ?? 0) + (traffic?.bytesOut ?? 0)).toBeGreaterThanOrEqual(64 * 1024 * 1024);
    session.destroy();
    await lab.recorder.next(({ kind }) => kind === 'session' && ofKind('session').length > 1);
  });
});

describe('the session of an agent', () => {
  it('is recorded when it opens, gets another token, and ends, with what went over the wire', async () => {
    const session = await alice.session();
    const stream = await openTunnel(session);
    await exchange(stream, 10_000);
    const again = await openTunnel(session);
    session.destroy();
    const closed = await lab.recorder.next(({ kind, event }) => kind === 'session' && event === 'close');
    const sessions = ofKind('session');
    expect(sessions.map(({ event }) => event)).toEqual(['open', 'renew', 'close']);
    const { connection } = ofKind('tunnel-opened')[0]?.facts ?? {};
    expect(sessions.map(({ facts }) => [facts.id, facts.subject?.token.user])).toEqual(
      Array.from({ length: 3 }, () => [connection?.id, 'alice@example.org']),
    );
    expect(closed.outcome).toMatchObject({ endedBy: 'client' });
    expect(closed.outcome?.bytesIn).toBeGreaterThan(10_000);
    expect(closed.outcome?.bytesOut).toBeGreaterThan(10_000);
    expect(again.destroyed || again.closed).toBe(true);
  });

  it('ends by the gateway where its laptop is revoked', async () => {
    const session = await alice.session();
    session.on('error', () => undefined);
    const stream = await openTunnel(session);
    stream.on('error', () => undefined);
    lab.commit({
      type: 'device-state-changed',
      device: alice.certificate.id,
      state: 'revoked',
      reason: 'stolen',
    });
    const closed = await lab.recorder.next(({ kind, event }) => kind === 'session' && event === 'close');
    expect(closed.outcome).toMatchObject({ endedBy: 'gateway', refusal: 'grant-ended' });
  });

  it('is none without a token, nor where another program connects', async () => {
    const session = await alice.session();
    session.destroy();
    const socket = await alice.connect({ servername: 'gateway.example.org', ALPNProtocols: ['http/1.1'] });
    const answer = await httpOn(
      socket,
      `GET /.well-known/postern/status HTTP/1.1\r\nHost: gateway.example.org\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
    );
    expect(answer.status).toBeLessThan(500);
    socket.destroy();
    await lab.gateway.close();
    expect(ofKind('session')).toEqual([]);
  });
});
