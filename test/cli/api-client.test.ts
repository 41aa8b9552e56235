import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import type { Server } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { Type } from 'typebox';
import { createApiClient, listAll } from '../../src/cli/api-client.ts';
import type { ApiClient } from '../../src/cli/api-client.ts';
import type { DeviceView } from '../../src/contract/control-api.ts';
import { makeOrganization } from '../lab/pki.ts';
import { runPostern } from './run-postern.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, attempt: number) => void;

let server: Server;
let api: ApiClient;
let origin: string;
let directory: string;
let caFile: string;
let handle: Handler;
let seen: IncomingMessage[] = [];

beforeEach(async () => {
  const organization = await makeOrganization();
  const { bundlePem, keyPem } = await organization.issueControl();
  seen = [];
  server = createServer({ cert: bundlePem, key: keyPem }, (request, response) => {
    seen.push(request);
    request.resume();
    request.once('end', () => handle(request, response, seen.length));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `https://localhost:${(server.address() as AddressInfo).port}`;
  api = createApiClient({ origin, apiKey: 'x', ca: organization.rootPem });
  directory = await mkdtemp(join(tmpdir(), 'postern-api-client-'));
  caFile = join(directory, 'root.crt');
  await writeFile(caFile, organization.rootPem);
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await rm(directory, { recursive: true });
});

const Done = Type.Object({ done: Type.Boolean() });
const answer: Handler = (_request, response) => {
  response.setHeader('content-type', 'application/json');
  response.setHeader('etag', '"v1"');
  response.end('{"done":true}');
};
const breakOff: Handler = (request) => request.socket.destroy();

it('asks again once, with the same key, when the connection breaks off under a change', async () => {
  handle = (...all) => (all[2] === 1 ? breakOff : answer)(...all);
  expect(await api.call('POST', '/v1/apply', Done, {})).toEqual({ done: true });
  const keys = seen.map(({ headers }) => headers['idempotency-key']);
  expect(keys).toHaveLength(2);
  expect(keys[0]).toMatch(/^[0-9a-f-]{36}$/);
  expect(keys[1]).toBe(keys[0]);
  handle = answer;
  await api.call('POST', '/v1/apply', Done, {});
  expect(seen.at(-1)?.headers['idempotency-key']).not.toBe(keys[0]);
});

it('gives up with 3 after the second time, and does not ask again what was answered', async () => {
  handle = breakOff;
  await expect(api.call('POST', '/v1/apply', Done, {})).rejects.toMatchObject({ exitCode: 3 });
  expect(seen).toHaveLength(2);
  handle = (_request, response) => {
    response.statusCode = 409;
    response.end('{"code":"conflict","title":"Changed"}');
  };
  await expect(api.call('POST', '/v1/apply', Done, {})).rejects.toMatchObject({
    exitCode: 1,
    code: 'conflict',
  });
  expect(seen).toHaveLength(3);
});

it('sends what a change is bound to, and hands over the tag of the answer', async () => {
  handle = answer;
  expect(await api.callTagged('POST', '/v1/apply', Done, { body: {}, ifMatch: '"v0"' })).toEqual({
    value: { done: true },
    etag: '"v1"',
  });
  expect(seen[0]?.headers['if-match']).toBe('"v0"');
  await api.call('GET', '/v1/devices', Done);
  expect(seen[1]?.headers['idempotency-key']).toBeUndefined();
});

it('follows a list to its end', async () => {
  const pages: Record<string, { items: number[]; next?: string }> = {
    '': { items: [1, 2], next: 'a&b' },
    '?cursor=a%26b': { items: [3], next: 'c' },
    '?cursor=c': { items: [] },
  };
  const asked: string[] = [];
  const all = await listAll(async (query) => {
    asked.push(query);
    return pages[query] ?? { items: [-1] };
  });
  expect(all).toEqual([1, 2, 3]);
  expect(asked).toEqual(Object.keys(pages));
});

it('lists the devices of all pages, and those that were asked for on each', async () => {
  const device = (id: string): DeviceView => ({
    id,
    user: 'alice@example.org',
    role: 'laptop',
    state: 'lost',
    enrolledAt: 1,
    changedAt: 1,
    certificates: [],
  });
  handle = (_request, response, attempt) => {
    const page = attempt === 1 ? { devices: [device('d-1')], next: 'a&b' } : { devices: [device('d-2')] };
    response.end(JSON.stringify(page));
  };
  const listed = await runPostern(['device', 'list', '--user', 'alice@example.org', '--state', 'lost'], {
    env: { POSTERN_SERVER: origin, POSTERN_API_KEY: 'x', POSTERN_CA: caFile },
  });
  expect(listed).toMatchObject({ code: 0, err: '' });
  expect(listed.out).toMatch(/d-1 [^]*d-2 /);
  expect(seen.map(({ url }) => url)).toEqual([
    '/v1/devices?state=lost&user=alice%40example.org',
    '/v1/devices?state=lost&user=alice%40example.org&cursor=a%26b',
  ]);
});

it('says of what speaks no TLS, or no HTTP inside it, that it is something else, and exits with 3', async () => {
  const ssh = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.write('SSH-2.0-OpenSSH_9.9\r\n');
  });
  ssh.listen(0, '127.0.0.1');
  await once(ssh, 'listening');
  const elsewhere = createApiClient({
    origin: `https://127.0.0.1:${(ssh.address() as AddressInfo).port}`,
    apiKey: 'x',
    ca: undefined,
  });
  await expect(elsewhere.call('GET', '/v1/devices', Done)).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringMatching(
      /^what answers at \S+ does not speak TLS as the control plane does: is it the right port\?/,
    ),
  });
  ssh.close();
  handle = (request) => void request.socket.end('220 smtp.example.org ready\r\n');
  await expect(api.call('GET', '/v1/devices', Done)).rejects.toMatchObject({
    exitCode: 3,
    message: expect.stringContaining('does not speak HTTP as the control plane does'),
  });
});
