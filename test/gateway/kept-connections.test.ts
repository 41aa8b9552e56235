import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const host = 'kept.apps.example.org';
const upstreamTimeMs = 600;
const empty = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n';
let lab: LabGateway;
let alice: LabLaptop;
let application: LabServer;
/** The application's end of each connection, in the order of their coming, and when the gateway ended it. */
let connections: Socket[] = [];
let ended: Promise<unknown>[] = [];
let received = '';
/** Answers what came on the connection of this number, from 0. */
let behave: (socket: Socket, text: string, connection: number) => void;

beforeAll(async () => {
  application = await startTcpService((socket) => {
    const connection = connections.push(socket) - 1;
    ended.push(once(socket, 'end').catch(() => undefined));
    socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      behave(socket, chunk.toString('latin1'), connection);
    });
  });
  lab = await startLabGateway({
    apps: [labApp('kept', [application.url.replace('tcp:', 'http:')])],
    limits: { upstreamHeadersTimeoutMs: upstreamTimeMs, upstreamBodyIdleTimeoutMs: upstreamTimeMs },
  });
  alice = await lab.laptop('alice@example.org');
});
beforeEach(() => {
  for (const socket of connections) socket.destroy();
  connections = [];
  ended = [];
  received = '';
  behave = (socket) => void socket.write(`${empty}\r\n`);
});
afterAll(async () => {
  await lab.close();
  application.close();
});

async function send(method = 'GET', rest = '\r\n') {
  const socket = await alice.connect({ servername: host });
  try {
    const token = await alice.token();
    return await httpOn(
      socket,
      `${method} / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\n${rest}`,
    );
  } finally {
    socket.destroy();
  }
}

const chunkedUpload = 'Transfer-Encoding: chunked\r\nTE: trailers\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n\r\n';

describe('a connection to an upstream', () => {
  it('is kept for the requests after it, uploads of unknown length among them', async () => {
    await send();
    behave = (socket) => {
      if (received.includes('x-sum: 7')) socket.write(`${empty}\r\n`);
    };
    expect((await send('POST', chunkedUpload)).status).toBe(200);
    expect(received).toContain('5\r\nhello\r\n0\r\nx-sum: 7\r\n\r\n');
    behave = (socket) => void socket.write(`${empty}\r\n`);
    expect((await send()).status).toBe(200);
    expect(connections).toHaveLength(1);
  });

  it.each([
    ['says that it closes', `${empty}Connection: close\r\n\r\n`],
    ['speaks HTTP/1.0', 'HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n'],
    ['says more than it was asked', `${empty}\r\n${empty}\r\n`],
    ['waits for no more', `${empty}Keep-Alive: timeout=0\r\n\r\n`],
  ])('is not kept when its upstream %s', async (_what, answer) => {
    behave = (socket) => void socket.write(answer);
    expect([(await send()).status, (await send()).status]).toEqual([200, 200]);
    expect(connections).toHaveLength(2);
  });

  it('is closed when its upstream speaks unasked, so that nobody takes that for an answer', async () => {
    await send();
    connections[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison');
    await ended[0];
    expect(await send()).toMatchObject({ status: 200, body: '' });
    expect(connections).toHaveLength(2);
  });

  it('is closed before its upstream stops waiting for the next request', async () => {
    behave = (socket) => void socket.write(`${empty}Keep-Alive: timeout=2\r\n\r\n`);
    await send();
    await ended[0];
    expect((await send()).status).toBe(200);
  });

  it('is not kept when the answer came before the whole request, whose rest would be the next one', async () => {
    const socket = await alice.connect({ servername: host });
    const token = await alice.token();
    const head = `POST / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\n`;
    const answer = await httpOn(socket, `${head}Content-Length: 100\r\n\r\nonly this`);
    expect(answer.status).toBe(200);
    await ended[0];
    socket.destroy();
    expect((await send()).status).toBe(200);
    expect(connections).toHaveLength(2);
  });

  it('that dies as it is used costs a request that changes nothing only a second try, and another its answer', async () => {
    await send();
    const dieOnce = (socket: Socket, _text: string, connection: number): void =>
      connection === 0 ? socket.resetAndDestroy() && undefined : void socket.write(`${empty}\r\n`);
    behave = dieOnce;
    expect((await send()).status).toBe(200);
    expect(connections).toHaveLength(2);
    behave = (socket) => void socket.write(`${empty}\r\n`);
    await send();
    expect(connections).toHaveLength(3);
    behave = (socket) => void socket.resetAndDestroy();
    expect(JSON.parse((await send('POST', 'Content-Length: 1\r\n\r\nx')).body)).toMatchObject({
      code: 'upstream-reset',
    });
    expect(connections).toHaveLength(3);
  });

  it('is a new one for the second try, since all that were kept may have died together', async () => {
    // Four at once, so that four are kept.
    const waiting: (() => void)[] = [];
    behave = (socket) => {
      waiting.push(() => socket.write(`${empty}\r\n`));
      if (waiting.length === 4) for (const answer of waiting) answer();
    };
    await Promise.all([send(), send(), send(), send()]);
    behave = (socket, _text, connection) =>
      connection < 4 ? void socket.resetAndDestroy() : void socket.write(`${empty}\r\n`);
    expect((await send()).status).toBe(200);
    expect(connections).toHaveLength(5);
  });

  it('that is silent or answers nonsense gets no second try', async () => {
    behave = (socket) => void socket.write('nonsense\r\n\r\n');
    expect(JSON.parse((await send()).body)).toMatchObject({ code: 'upstream-malformed' });
    behave = () => undefined;
    expect(JSON.parse((await send()).body)).toMatchObject({ code: 'upstream-timeout' });
    expect(connections).toHaveLength(2);
  });

  it('waits for an upload as long as it moves, before the answer has begun and after', async () => {
    const socket = await alice.connect({ servername: host });
    const token = await alice.token();
    const pieces = 8;
    behave = (upstream) => {
      const seen = received.split('piece').length - 1;
      if (seen === 2) upstream.write(`HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n`);
      if (seen === pieces) upstream.write('done');
      // Each answers the one before, in a third of the time that the upstream has.
      else setTimeout(() => socket.write('piece'), upstreamTimeMs / 3);
    };
    const head = `PUT / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\n`;
    const answer = await httpOn(socket, `${head}Content-Length: ${pieces * 5}\r\n\r\n`);
    expect([answer.status, answer.body]).toEqual([200, 'done']);
    socket.destroy();
  });

  it('carries the length of a body that is not there, where one belongs', async () => {
    await send('POST');
    await send('PUT', 'Content-Length: 0\r\n\r\n');
    await send('GET');
    expect([...received.matchAll(/^(?:POST|PUT|GET)|content-length: 0/gm)].map(([found]) => found)).toEqual([
      'POST',
      'content-length: 0',
      'PUT',
      'content-length: 0',
      'GET',
    ]);
  });

  it('passes a length only where there can be a body', async () => {
    behave = (socket) => void socket.write('HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n');
    expect((await send()).headers).not.toHaveProperty('content-length');
  });
});
