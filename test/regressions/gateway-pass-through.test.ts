/**
 * @fastify/reply-from CVE-2026-33805: a client's `Connection: X-Identity` removed headers that the proxy had added, and what
 * a client sends hop by hop reached the upstream. GHSA-v574-6498-x57v: its cache of addresses was keyed by a joined string,
 * so that two pairs of upstream and path could be one, and a request went to another upstream. Here the control plane
 * passes administrators on to the operator endpoints of gateways. Who gets there must not choose where else to go, must
 * not hand over a credential by doing so, and must get the answer of the gateway that was named and of no other.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createOperatorServer } from '../../src/control/operator-server.ts';
import { startControlLab } from '../control/control-lab.ts';
import type { ControlLab } from '../control/control-lab.ts';

let lab: ControlLab;
const servers: Server[] = [];
let seen: { url: string | undefined; headers: IncomingHttpHeaders }[] = [];

async function listen(server: Server): Promise<string> {
  servers.push(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const operatorOf = (name: string, isReady: boolean): Promise<string> =>
  listen(
    createOperatorServer({
      notReady: () => (isReady ? [] : ['workers']),
      troubles: () => [],
      sinks: () => [],
      metrics: () => `postern_name{name="${name}"} 1\n`,
    }),
  );

beforeAll(async () => {
  const strange = createServer((request, response) => {
    seen.push({ url: request.url, headers: request.headers });
    response.writeHead(200, {
      'content-type': 'text/html',
      'set-cookie': '__Host-session=stolen',
      connection: 'close, x-content-type-options',
      'cache-control': 'public',
      'access-control-allow-origin': '*',
      location: 'https://elsewhere.example.org/',
    });
    response.end('<script>alert(1)</script>');
  });
  lab = await startControlLab({
    gateways: [
      { id: 'a', operator: await operatorOf('a', true) },
      { id: 'b', operator: await operatorOf('b', false) },
      { id: 'strange', operator: await listen(strange) },
      { id: 'gone', operator: 'http://127.0.0.1:1' },
    ],
  });
});
afterAll(async () => {
  await lab.close();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
});

it('hands over no credential, no cookie and nothing hop by hop, whatever Connection names', async () => {
  seen = [];
  for (const connection of ['close', 'keep-alive, accept, host', 'x-forwarded-for, authorization', 'upgrade'])
    await lab.ask('GET', '/v1/gateways/strange/metrics?token=secret', {
      headers: {
        connection,
        cookie: '__Host-session=mine',
        te: 'trailers',
        upgrade: 'websocket',
        'proxy-authorization': 'Basic x',
        'x-forwarded-for': '10.0.0.1',
        'x-postern-user': 'root',
        accept: 'text/plain',
      },
    });
  expect(seen.length).toBe(4);
  for (const { url, headers } of seen) {
    expect(url).toBe('/metrics');
    const { connection: _, ...rest } = headers;
    expect(rest).toEqual({
      host: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      accept: expect.stringMatching(/^(text\/plain|\*\/\*)$/),
    });
  }
});

it('takes from an answer what it says and how it is to be read, and nothing that acts here', async () => {
  const answer = await lab.ask('GET', '/v1/gateways/strange/healthz');
  expect(answer).toMatchObject({
    status: 200,
    headers: {
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
    },
  });
  for (const name of ['set-cookie', 'location', 'access-control-allow-origin'])
    expect(answer.headers[name], name).toBeUndefined();
});

it('goes to the gateway that is named, however many are asked at once', async () => {
  const ids = Array.from({ length: 40 }, (_, index) => (index % 2 === 0 ? 'a' : 'b'));
  const answers = await Promise.all(ids.map((id) => lab.ask('GET', `/v1/gateways/${id}/metrics`)));
  expect(answers.map(({ text }) => text)).toEqual(ids.map((id) => `postern_name{name="${id}"} 1\n`));
  expect((await lab.ask('GET', '/v1/gateways/a/readyz')).body).toMatchObject({ ready: true });
  expect(await lab.ask('GET', '/v1/gateways/b/readyz')).toMatchObject({
    status: 503,
    body: { ready: false, waitingFor: ['workers'] },
  });
});

it.each([
  '/v1/gateways/c/metrics',
  '/v1/gateways/a/',
  '/v1/gateways/a/metrics/',
  '/v1/gateways/a/metrics/../debug',
  '/v1/gateways/a/debug',
  '/v1/gateways/a%2Fmetrics%3F/metrics',
  '/v1/gateways/..%2F..%2F/metrics',
  '/v1/gateways/a@127.0.0.1:1/metrics',
  '/v1/gateways/127.0.0.1:9464/metrics',
  '/v1/gateways/__proto__/metrics',
])('leads nowhere by %s', async (path) => {
  seen = [];
  expect(await lab.ask('GET', path)).toMatchObject({ status: 404, body: { code: 'not-found' } });
  expect(seen).toEqual([]);
});

it('passes nothing on but GET, and nobody on who may not', async () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS'])
    expect((await lab.ask(method, '/v1/gateways/a/metrics')).status, method).toBe(405);
  const helpdesk = await lab.makeKey({ role: 'helpdesk' });
  const soc = await lab.makeKey({ role: 'soc' });
  const ask = (key: string | null) => lab.ask('GET', '/v1/gateways/a/metrics', { key });
  expect(await ask(null)).toMatchObject({ status: 401 });
  expect(await ask(helpdesk)).toMatchObject({ status: 403, body: { code: 'role-missing' } });
  expect(await ask(soc)).toMatchObject({ status: 200 });
});

it('says which gateway does not answer, as a problem and not as itself shutting down', async () => {
  expect(await lab.ask('GET', '/v1/gateways/gone/healthz')).toMatchObject({
    status: 502,
    headers: { 'content-type': 'application/problem+json' },
    body: { code: 'gateway-unreachable' },
  });
});
