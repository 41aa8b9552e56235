import { once } from 'node:events';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { startTcpService } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import { useGrants } from '../lab/grants.ts';
import { httpOn } from '../lab/http-client.ts';
import { http2WebSocket } from '../lab/http2-client.ts';

const grants = useGrants();
const { host } = grants;

const openWebSocket = async (path = '/live'): Promise<WebSocket> => {
  const socket = await grants.alice.connect({ servername: host });
  const webSocket = new WebSocket(`ws://${host}${path}`, {
    createConnection: () => socket,
    headers: { 'proxy-authorization': `Bearer ${await grants.alice.token()}` },
  });
  webSocket.on('error', () => undefined);
  return webSocket;
};

describe('upgrades', () => {
  it('carries a WebSocket byte by byte, recorded when it opens and when it ends', async () => {
    const webSocket = await openWebSocket('/bytes');
    const [welcome] = (await once(webSocket, 'message')) as [Buffer];
    expect(String(welcome)).toBe('welcome');
    const payload = Buffer.alloc(300_000, 7);
    webSocket.send(payload);
    const [echoed] = (await once(webSocket, 'message')) as [Buffer];
    expect(Buffer.compare(echoed, payload)).toBe(0);
    webSocket.close();
    await once(webSocket, 'close');
    const closed = await grants.lab.recorder.next(
      ({ kind, facts }) => kind === 'tunnel-closed' && facts.request?.path === '/bytes',
    );
    expect(closed).toMatchObject({
      facts: { app: { name: 'grants' }, request: { method: 'GET', path: '/bytes' } },
      outcome: { status: 101 },
    });
    expect(closed.outcome?.bytesIn).toBeGreaterThan(300_000);
    expect(grants.app.requests.at(-1)?.headers).toMatchObject({
      'postern-user': 'alice@example.org',
      upgrade: 'websocket',
    });
    expect(grants.app.requests.at(-1)?.headers['proxy-authorization']).toBeUndefined();
  });

  it('passes an answer that is no upgrade as an answer', async () => {
    const webSocket = await openWebSocket('/refused');
    const [, response] = (await once(webSocket, 'unexpected-response')) as [unknown, { statusCode: number }];
    expect(response.statusCode).toBe(403);
    webSocket.terminate();
  });

  it('refuses an upgrade without a token, and ignores one to h2c', async () => {
    const socket = await grants.alice.connect({ servername: host });
    const upgrade = `GET /live HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n`;
    const refused = await httpOn(socket, upgrade);
    expect(refused.status).toBe(401);
    const other = await grants.alice.connect({ servername: host });
    const plain = await httpOn(
      other,
      `GET /h2c HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await grants.alice.token()}\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n`,
    );
    expect(plain.status).toBe(200);
    const { headers } = JSON.parse(plain.body);
    expect(headers.upgrade).toBeUndefined();
    expect(headers['http2-settings']).toBeUndefined();
    other.destroy();
    expect(grants.lab.errors).toEqual([]);
  });

  it.each([
    ['another protocol than was asked for', 'Upgrade: h2c\r\n', 502],
    ['no protocol', '', 502],
    ['one of those that were offered', 'Upgrade: WebSocket\r\n', 101],
  ])('with an upstream that switches to %s ends in %s%i', async (_what, fields, status) => {
    const odd = await startTcpService((socket) => {
      socket.on(
        'data',
        () => void socket.write(`HTTP/1.1 101 Switching Protocols\r\n${fields}Connection: Upgrade\r\n\r\n`),
      );
    });
    const lab = await startLabGateway({ apps: [labApp('odd', [odd.url.replace('tcp:', 'http:')])] });
    const bob = await lab.laptop('bob@example.org');
    const socket = await bob.connect({ servername: 'odd.apps.example.org' });
    const token = await bob.token();
    const answer = await httpOn(
      socket,
      `GET / HTTP/1.1\r\nHost: odd.apps.example.org\r\nProxy-Authorization: Bearer ${token}\r\nConnection: Upgrade\r\nUpgrade: chat, websocket\r\n\r\n`,
    );
    expect(answer.status).toBe(status);
    socket.destroy();
    await lab.close();
    odd.close();
  });

  it('ends one whose upstream died while its record was written', async () => {
    const odd = await startTcpService((socket) => {
      const head = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n';
      socket.on('data', () => void socket.write(head, () => socket.resetAndDestroy()));
    });
    const lab = await startLabGateway({ apps: [labApp('odd', [odd.url.replace('tcp:', 'http:')])] });
    const { promise: isWritten, resolve: write } = Promise.withResolvers<void>();
    const whenWritten = lab.recorder.whenWritten.bind(lab.recorder);
    lab.recorder.whenWritten = (callback) => void isWritten.then(() => whenWritten(callback));
    const bob = await lab.laptop('bob@example.org');
    const socket = await bob.connect({ servername: 'odd.apps.example.org' });
    const token = await bob.token();
    const closed = once(socket, 'close');
    socket.resume();
    socket.write(
      `GET / HTTP/1.1\r\nHost: odd.apps.example.org\r\nProxy-Authorization: Bearer ${token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
    );
    await lab.recorder.next(({ kind }) => kind === 'tunnel-opened');
    const [upstream] = lab.dialer.sockets;
    if (upstream?.closed === false) await new Promise((resolve) => upstream.once('close', resolve));
    write();
    await closed;
    expect((await lab.recorder.next(({ kind }) => kind === 'tunnel-closed')).outcome).toMatchObject({
      endedBy: 'upstream',
    });
    expect(lab.gateway.counters().flowsOpen).toBe(0);
    await lab.close();
    odd.close();
  });

  it('opens a WebSocket over HTTP/2 by extended CONNECT', async () => {
    const session = await grants.alice.session();
    const stream = http2WebSocket(session, host, await grants.alice.token());
    const [headers] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect(headers[':status']).toBe(200);
    const [frame] = (await once(stream, 'data')) as [Buffer];
    expect(frame.subarray(2).toString()).toBe('welcome');
    session.destroy();
  });
});
