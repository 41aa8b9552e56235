import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createOperatorServer } from '../../src/control/operator-server.ts';

let server: Server;
let waitingFor: readonly string[];
let troubles: readonly string[];
let url: string;

beforeEach(async () => {
  waitingFor = [];
  troubles = [];
  server = createOperatorServer({
    notReady: () => waitingFor,
    troubles: () => troubles,
    sinks: () => [],
    metrics: () => 'postern_ready 1\n',
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(async () => {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
});

it('is healthy while it runs, and ready only when nothing is waited for', async () => {
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  waitingFor = ['workers', 'ledger'];
  const waiting = await fetch(`${url}/readyz`);
  expect(waiting.status).toBe(503);
  expect(await waiting.json()).toEqual({ ready: false, waitingFor: ['workers', 'ledger'] });
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

it('gives metrics as Prometheus reads them', async () => {
  const answer = await fetch(`${url}/metrics`);
  expect(answer.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8');
  expect(await answer.text()).toBe('postern_ready 1\n');
});

it('has nothing else, and takes nothing', async () => {
  for (const path of [
    '/',
    '/v1/devices',
    '/metrics/',
    '/METRICS',
    '/healthz?verbose',
    '/constructor',
    '/__proto__',
  ])
    expect((await fetch(url + path)).status, path).toBe(404);
  for (const method of ['POST', 'PUT', 'DELETE'])
    expect((await fetch(`${url}/metrics`, { method })).status, method).toBe(405);
  const head = await fetch(`${url}/metrics`, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
});
