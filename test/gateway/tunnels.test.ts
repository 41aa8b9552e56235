import { once } from 'node:events';
import { constants } from 'node:http2';
import type { ClientHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApplication, startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop, Recorded } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';
import { http2Request, http2Tunnel } from '../lab/http2-client.ts';

const grants = 'grants.apps.example.org';
const payroll = 'payroll.apps.example.org';
const archive = 'archive.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;
let greeter: LabServer;
let breaker: LabServer;
let keeper: LabServer;
/** More than the buffers on the way hold. */
const longAnswer = Buffer.alloc(24 * 1024 * 1024, 'archive ');

const readUntil = async (stream: Duplex, marker: string): Promise<string> => {
  let text = '';
  while (!text.includes(marker)) {
    const [chunk] = (await once(stream, 'data')) as [Buffer];
    text += chunk.toString('latin1');
  }
  return text;
};
const inside = async (stream: Duplex, servername: string): Promise<TLSSocket> => {
  const socket = connectTls({
    socket: stream,
    servername,
    ca: lab.organization.rootPem,
    ALPNProtocols: ['http/1.1'],
  });
  socket.on('error', () => undefined);
  await once(socket, 'secureConnect');
  return socket;
};

beforeAll(async () => {
  app = await startApplication('grants');
  greeter = await startTcpService((socket) => {
    socket.write('220 payroll ready\r\n');
    socket.on('data', (chunk: Buffer) => socket.write(chunk));
    socket.on('end', () => socket.end('goodbye\r\n'));
  });
  breaker = await startTcpService((socket) => {
    socket.write('half of it');
    socket.once('data', () => socket.resetAndDestroy());
  });
  keeper = await startTcpService((socket) => {
    socket.resume();
    socket.on('end', () => socket.end(longAnswer));
  });
  lab = await startLabGateway({
    apps: [
      labApp('grants', [app.url]),
      labApp('broken', [breaker.url], { protocol: 'tcp', ports: [7000] }),
      labApp('archive', [keeper.url], { protocol: 'tcp', ports: [7000] }),
      labApp('payroll', [greeter.url], { protocol: 'tcp', ports: [7000], network: 'payroll' }),
    ],
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  app.close();
  greeter.close();
  breaker.close();
  keeper.close();
});

/** The end of the tunnel that was opened next. */
const closedSince = async (from: number): Promise<Recorded> => {
  const opened = await lab.recorder.next(({ kind }) => kind === 'tunnel-opened', from);
  return lab.recorder.next(
    ({ kind, facts }) => kind === 'tunnel-closed' && facts.id === opened.facts.id,
    from,
  );
};

describe('CONNECT', () => {
  it('carries bytes both ways, the app speaking first, each end closing by itself', async () => {
    const session = await alice.session();
    const tunnel = await http2Tunnel(session, `${payroll}:7000`, await alice.token());
    expect(await readUntil(tunnel, '\n')).toBe('220 payroll ready\r\n');
    tunnel.write('hello\n');
    expect(await readUntil(tunnel, '\n')).toBe('hello\n');
    tunnel.end();
    expect(await readUntil(tunnel, '\n')).toBe('goodbye\r\n');
    const closed = await lab.recorder.next(
      ({ kind, outcome }) => kind === 'tunnel-closed' && outcome?.bytesIn === 'hello\n'.length,
    );
    expect(closed).toMatchObject({
      facts: {
        app: { name: 'payroll' },
        request: { method: 'CONNECT', authority: `${payroll}:7000`, path: '' },
      },
      outcome: { bytesIn: 6, bytesOut: 34, endedBy: 'client' },
    });
    expect(
      lab.recorder.records.filter(({ facts }) => facts.id === closed.facts.id).map(({ kind }) => kind),
    ).toEqual(['tunnel-opened', 'tunnel-closed']);
    session.destroy();
  });

  it('is reset, and does not end, where the application or what let it in breaks it off', async () => {
    const open = async (): Promise<ClientHttp2Stream> => {
      const session = await alice.session();
      const tunnel = await http2Tunnel(session, 'broken.apps.example.org:7000', await alice.token());
      await readUntil(tunnel, 'half of it');
      return tunnel.resume();
    };
    const [broken, cut] = [await open(), await open()];
    const closed = [broken, cut].map((tunnel) => new Promise((resolve) => tunnel.once('close', resolve)));
    broken.write('go on');
    await closed[0];
    lab.commit({ type: 'resource-deleted', kind: 'App', name: 'broken' });
    await closed[1];
    const reset = constants.NGHTTP2_INTERNAL_ERROR;
    expect([broken.rstCode, cut.rstCode]).toEqual([reset, reset]);
    for (const { session } of [broken, cut]) session?.destroy();
  });

  it('carries all of a long answer to one who asked, ended its side and reads slowly', async () => {
    const from = lab.recorder.records.length;
    const socket = await alice.connect({ servername: 'gateway.example.org', allowHalfOpen: true } as object);
    socket.write(
      `CONNECT ${archive}:7000 HTTP/1.1\r\nHost: ${archive}:7000\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
    );
    await readUntil(socket, '\r\n\r\n');
    socket.end('all of it');
    let length = 0;
    // The application is done with it while the last of it is still on its way.
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      length += chunk.length;
      await nextTurn();
    }
    expect(length).toBe(longAnswer.length);
    const { outcome } = await lab.recorder.next(({ kind }) => kind === 'tunnel-closed', from);
    expect(outcome).toMatchObject({ bytesIn: 9, bytesOut: longAnswer.length });
    expect(outcome?.refusal).toBeUndefined();
  });

  it('works over HTTP/1.1 as well', async () => {
    const socket = await alice.connect({ servername: 'gateway.example.org' });
    socket.write(
      `CONNECT ${payroll}:7000 HTTP/1.1\r\nHost: ${payroll}:7000\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
    );
    expect(await readUntil(socket, 'ready\r\n')).toBe(
      'HTTP/1.1 200 Connection Established\r\n\r\n220 payroll ready\r\n',
    );
    socket.write('ping\n');
    expect(await readUntil(socket, 'ping\n')).toBe('ping\n');
    socket.destroy();
  });

  it('ends the inner TLS of an http app, and sees each request as the tunnel’s subject', async () => {
    const session = await alice.session();
    const tunnel = await http2Tunnel(session, `${grants}:443`, await alice.token());
    const socket = await inside(tunnel, grants);
    const answer = await httpOn(socket, `GET /inner HTTP/1.1\r\nHost: ${grants}\r\n\r\n`);
    expect(JSON.parse(answer.body)).toMatchObject({
      application: 'grants',
      url: '/inner',
      headers: { 'postern-user': 'alice@example.org', 'x-forwarded-proto': 'https' },
    });
    const record = await lab.recorder.next(({ facts }) => facts.request?.path === '/inner');
    const opened = lab.recorder.records.find(
      ({ kind, facts }) => kind === 'tunnel-opened' && facts.id === record.facts.parent,
    );
    expect(opened?.facts.request?.authority).toBe(`${grants}:443`);
    socket.destroy();
    session.destroy();
  });

  it.each([
    ['SSH', 'SSH-2.0-x\r\n', /^client: no TLS handshake \(ERR_SSL_\w+\); expected tls, looks like unknown$/],
    ['HTTP without TLS', 'GET / HTTP/1.1\r\n\r\n', /^client: no TLS handshake .* looks like http$/],
  ])('is no way for %s to an http app: it is cut, and recorded as that', async (_what, sent, detail) => {
    const from = lab.recorder.records.length;
    const session = await alice.session();
    const tunnel = await http2Tunnel(session, `${grants}:443`, await alice.token());
    tunnel.resume().write(sent);
    await once(tunnel, 'close');
    const closed = await closedSince(from);
    expect(closed.outcome).toMatchObject({ refusal: 'protocol-unexpected', endedBy: 'gateway' });
    expect(closed.outcome?.detail).toMatch(detail);
    session.destroy();
  });

  it('is no way to another name inside, and a client that gives up by itself is no alarm', async () => {
    const session = await alice.session();
    for (const [options, refusal] of [
      [{ servername: payroll }, 'protocol-unexpected'],
      [{ servername: grants, ca: 'nobody' }, undefined],
    ] as const) {
      const from = lab.recorder.records.length;
      const tunnel = await http2Tunnel(session, `${grants}:443`, await alice.token());
      const socket = connectTls({ socket: tunnel, ca: lab.organization.rootPem, ...options });
      const ended = new Promise((resolve) => socket.once('close', resolve));
      socket.on('error', () => undefined);
      await ended;
      tunnel.destroy();
      expect((await closedSince(from)).outcome?.refusal).toBe(refusal);
    }
    session.destroy();
  });

  it('speaks plain HTTP inside a tunnel to port 80', async () => {
    const session = await alice.session();
    const tunnel = await http2Tunnel(session, `${grants}:80`, await alice.token());
    const answer = await httpOn(tunnel, `GET /plain HTTP/1.1\r\nHost: ${grants}\r\n\r\n`);
    expect(JSON.parse(answer.body)).toMatchObject({
      url: '/plain',
      headers: { 'x-forwarded-proto': 'http' },
    });
    session.destroy();
  });

  it('refuses a request inside for another app than the tunnel’s', async () => {
    const session = await alice.session();
    const tunnel = await http2Tunnel(session, `${grants}:80`, await alice.token());
    const answer = await httpOn(tunnel, `GET / HTTP/1.1\r\nHost: ${payroll}\r\n\r\n`);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).code).toBe('authority-mismatch');
    session.destroy();
  });

  it.each([
    ['a host that is no app', 'nowhere.example.org:443', 404, 'application-unknown'],
    ['an IPv4 address', '127.0.0.1:443', 404, 'application-unknown'],
    ['an IPv6 address', '[::1]:443', 404, 'application-unknown'],
    ['a wrong port of an app', `${payroll}:22`, 404, 'port-unknown'],
    ['no port', payroll, 400, 'bad-request'],
  ])('refuses %s', async (_what, authority, status, code) => {
    const session = await alice.session();
    const answer = await http2Request(session, {
      ':method': 'CONNECT',
      ':authority': authority,
      'proxy-authorization': `Bearer ${await alice.token()}`,
    });
    expect(answer.status).toBe(status);
    expect(JSON.parse(answer.body).code).toBe(code);
    const record = await lab.recorder.next(
      ({ outcome, facts }) => outcome?.refusal === code && facts.request?.authority === authority,
    );
    expect(record).toMatchObject({ kind: 'tunnel-closed', outcome: { status, endedBy: 'gateway' } });
    session.destroy();
    expect(lab.errors).toEqual([]);
  });
});
