import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

let lab: LabGateway;
let alice: LabLaptop;
let upstream: Server;
let seen: IncomingMessage[] = [];
const host = 'grants.apps.example.org';

beforeAll(async () => {
  upstream = createServer((request, response) => {
    seen.push(request);
    let length = 0;
    request.on('data', (chunk: Buffer) => (length += chunk.length));
    request.on('end', () => {
      if (request.url === '/hints') {
        response.writeEarlyHints({ link: '</style.css>; rel=preload' });
        return response.end('late');
      }
      if (request.url === '/trailers') {
        response.writeHead(200, { trailer: 'checksum' });
        response.write('body');
        response.addTrailers({ checksum: 'abc' });
        return response.end();
      }
      if (request.url === '/none') return response.writeHead(204).end();
      response.writeHead(200, { 'content-type': 'application/json', 'x-powered-by': 'lab' });
      return response.end(
        JSON.stringify({ url: request.url, headers: request.headers, length, trailers: request.trailers }),
      );
    });
  }).listen(0, '127.0.0.1');
  await once(upstream, 'listening');
  const { port } = upstream.address() as AddressInfo;
  lab = await startLabGateway({ apps: [labApp('grants', [`http://127.0.0.1:${port}`])] });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  upstream.closeAllConnections();
  upstream.close();
});

describe('HTTP/1.1 straight to the gateway', () => {
  it('forwards a request with a valid token, and says to the app who asked', async () => {
    const socket = await alice.connect({ servername: host });
    const token = await alice.token();
    const answer = await httpOn(
      socket,
      `GET /a%2Fb?q=1 HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\n\r\n`,
    );
    expect(answer.status).toBe(200);
    const { url, headers } = JSON.parse(answer.body);
    expect(url).toBe('/a%2Fb?q=1');
    expect(headers).toMatchObject({
      host,
      'x-forwarded-for': '127.0.0.1',
      'x-forwarded-host': host,
      'x-forwarded-proto': 'https',
      forwarded: `for=127.0.0.1;host="${host}";proto=https`,
      'postern-user': 'alice@example.org',
      'postern-device': alice.certificate.id,
      via: '1.1 postern',
    });
    expect(headers['proxy-authorization']).toBeUndefined();
    const record = await lab.recorder.next(({ facts }) => facts.id === headers['postern-flow-id']);
    expect(record).toMatchObject({
      kind: 'request',
      facts: {
        app: { name: 'grants' },
        decision: { effect: 'allow' },
        upstream: { network: 'finance', address: '127.0.0.1' },
      },
      outcome: { status: 200, endedBy: 'upstream' },
    });
    const again = await httpOn(socket, `GET /again HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect(again.status).toBe(200);
    socket.destroy();
  });

  it('refuses a request without a token with 401 and problem details', async () => {
    const socket = await alice.connect({ servername: host });
    const answer = await httpOn(socket, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect(answer.status).toBe(401);
    expect(answer.headers['content-type']).toBe('application/problem+json');
    expect(JSON.parse(answer.body)).toMatchObject({ code: 'token-missing', status: 401 });
    socket.destroy();
  });

  it('carries bodies of known and unknown length, trailers both ways, and 1xx answers', async () => {
    const socket = await alice.connect({ servername: host });
    const token = await alice.token();
    const head = `Host: ${host}\r\nProxy-Authorization: Bearer ${token}\r\n`;
    const known = await httpOn(socket, `POST / HTTP/1.1\r\n${head}Content-Length: 5\r\n\r\nhello`);
    expect(JSON.parse(known.body)).toMatchObject({ length: 5 });
    const chunked = await httpOn(
      socket,
      `POST / HTTP/1.1\r\n${head}Transfer-Encoding: chunked\r\nTrailer: sum\r\n\r\n5\r\nhello\r\n0\r\nsum: 1\r\n\r\n`,
    );
    expect(JSON.parse(chunked.body)).toMatchObject({ length: 5, trailers: { sum: '1' } });
    const trailers = await httpOn(socket, `GET /trailers HTTP/1.1\r\n${head}\r\n`);
    expect(trailers).toMatchObject({ body: 'body', trailers: { checksum: 'abc' } });
    const hints = await httpOn(socket, `GET /hints HTTP/1.1\r\n${head}\r\n`);
    expect(hints.informational).toEqual([103]);
    const none = await httpOn(socket, `GET /none HTTP/1.1\r\n${head}\r\n`);
    expect(none).toMatchObject({ status: 204, body: '' });
    const headOnly = await httpOn(socket, `HEAD / HTTP/1.1\r\n${head}\r\n`, { method: 'HEAD' });
    expect(headOnly).toMatchObject({ status: 200, body: '' });
    const continued = await httpOn(
      socket,
      `POST / HTTP/1.1\r\n${head}Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok`,
    );
    expect(continued.informational).toEqual([100]);
    expect(JSON.parse(continued.body)).toMatchObject({ length: 2 });
    socket.destroy();
    expect(lab.errors).toEqual([]);
  });
});
