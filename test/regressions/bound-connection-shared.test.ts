/**
 * NTLM and Negotiate sign a user in for a connection and not for a request. A proxy that keeps such a connection hands the
 * next user the session of the one before (CVE-2014-0015 in curl, and many since). So these requests travel alone; and how the
 * gateway finds out must not depend on what else the client writes: a value that reads `authorization` in front of the
 * field hid it from a search that looked at names and values alike.
 */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const host = 'legacy.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let application: LabServer;
let connections = 0;
let answerFields = '';

beforeAll(async () => {
  application = await startTcpService((socket) => {
    connections += 1;
    socket.on('data', () => void socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 0\r\n${answerFields}\r\n`));
  });
  lab = await startLabGateway({ apps: [labApp('legacy', [application.url.replace('tcp:', 'http:')])] });
  alice = await lab.laptop('alice@example.org');
});
beforeEach(async () => {
  answerFields = '';
  await send('X-Any: 1\r\n');
  connections = 0;
});
afterAll(async () => {
  await lab.close();
  application.close();
});

async function send(fields: string): Promise<void> {
  const socket = await alice.connect({ servername: host });
  const token = await alice.token();
  const answer = await httpOn(
    socket,
    `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\n${fields}\r\n`,
  );
  expect(answer.status).toBe(200);
  socket.destroy();
}

it.each([
  'Authorization: Negotiate abc\r\n',
  'Authorization: NTLM abc\r\n',
  'Authorization: Negotiate\tabc\r\n',
  'X-First: authorization\r\nAuthorization: Negotiate abc\r\n',
])('sends a request that signs a connection in on one of its own: %j', async (fields) => {
  await send(fields);
  expect(connections).toBe(1);
  // And back to the kept one.
  await send('X-Any: 1\r\n');
  expect(connections).toBe(1);
});

it('shares connections for what signs in by request, and for a value that only reads like a name', async () => {
  await send('Authorization: Basic YTpi\r\n');
  await send('X-First: authorization\r\nX-Second: Negotiate abc\r\n');
  expect(connections).toBe(0);
});

it('keeps no connection on which the application asks for such a sign-in', async () => {
  answerFields = 'WWW-Authenticate: Negotiate\r\n';
  await send('X-Any: 1\r\n');
  await send('X-Any: 1\r\n');
  expect(connections).toBe(1);
});
