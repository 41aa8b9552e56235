/**
 * NTLM and Negotiate sign a user in for a connection and not for a request. A proxy that keeps such a connection hands the
 * next user the session of the one before (CVE-2014-0015 in curl, and many since). So these requests travel alone; and how the
 * gateway finds out must not depend on what else the client writes: a value that reads `authorization` in front of the
 * field hid it from a search that looked at names and values alike. Nor may it find out too late: an answer that waits for
 * the verdict of a scanner has left its connection to others while it waits.
 */
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { MalwareScanner } from '../../src/gateway/malware/malware-scanner.ts';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

let lab: LabGateway;
let alice: LabLaptop;
let application: LabServer;
let connections = 0;
let answerFields = '';
let answerBody = '';
/** Verdicts that are waited for. */
const verdicts: ((verdict: { kind: 'clean' }) => void)[] = [];
const scanner: MalwareScanner = {
  keyOf: () => '',
  edition: () => Promise.resolve(undefined),
  open: () => ({
    verdict: undefined,
    write: () => undefined,
    end: () => new Promise((resolve) => verdicts.push(resolve)),
    abort: () => undefined,
  }),
};

beforeAll(async () => {
  application = await startTcpService((socket) => {
    connections += 1;
    socket.on(
      'data',
      () =>
        void socket.write(
          `HTTP/1.1 200 OK\r\nContent-Length: ${answerBody.length}\r\n${answerFields}\r\n${answerBody}`,
        ),
    );
  });
  const upstreams = [application.url.replace('tcp:', 'http:')];
  lab = await startLabGateway({
    apps: [labApp('legacy', upstreams), labApp('scanned', upstreams, { inspect: ['malware'] })],
    malwareScanner: scanner,
  });
  alice = await lab.laptop('alice@example.org');
});
beforeEach(async () => {
  answerFields = '';
  answerBody = '';
  await send('X-Any: 1\r\n');
  connections = 0;
});
afterAll(async () => {
  await lab.close();
  application.close();
});

async function send(fields: string, name = 'legacy'): Promise<void> {
  const host = `${name}.apps.example.org`;
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

it('keeps none either while the answer that asks for it waits for a verdict', async () => {
  answerFields = 'WWW-Authenticate: Negotiate\r\n';
  answerBody = 'sign in';
  const first = send('X-Any: 1\r\n', 'scanned');
  await expect.poll(() => verdicts.length).toBe(1);
  answerFields = '';
  const second = send('X-Any: 2\r\n', 'scanned');
  await expect.poll(() => verdicts.length).toBe(2);
  expect(connections).toBe(2);
  for (const settle of verdicts) settle({ kind: 'clean' });
  await Promise.all([first, second]);
});
