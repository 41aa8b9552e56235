import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { startAgent } from '../../agent/agent.ts';
import type { RunningAgent } from '../../agent/agent.ts';
import { systemClock } from '../../agent/clock.ts';
import { enrollDevice } from '../../agent/enrollment/enroll.ts';
import { connectThrough } from '../agent/lab/proxy-client.ts';
import { postureOf, silent } from '../agent/lab/world.ts';
import { startApplication, startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { linesIn, recordsIn } from '../lab/flow-records.ts';
import { startOffice } from './office.ts';
import type { Office } from './office.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let office: Office;
let agent: RunningAgent;
let forms: LabServer;
let code: LabServer;
let directory: string;
/** What the SSH server was sent. */
let reached = '';

beforeAll(async () => {
  forms = await startApplication('forms');
  code = await startTcpService((socket) => {
    socket.write('SSH-2.0-lab\r\n');
    socket.on('data', (chunk: Buffer) => (reached += chunk.toString('latin1')));
  });
  office = await startOffice();
  await office.addApp({
    name: 'forms',
    protocol: 'http',
    upstream: forms.url,
    inspect: ['dlp'],
    dataLoss: { mode: 'block', patterns: [{ name: 'dossier', pattern: 'DOS-[0-9]{6}' }] },
  });
  await office.addApp({ name: 'code', protocol: 'ssh', ports: [22], upstream: code.url });
  directory = await mkdtemp(join(tmpdir(), 'postern-inspected-'));
  const state = join(directory, 'state');
  await enrollDevice({
    url: office.url,
    token: await office.invite('alice@example.org'),
    directory: state,
    force: false,
    chosen: { proxyPort: 0 },
    clock: systemClock,
  });
  const connected = Promise.withResolvers<void>();
  agent = await startAgent({
    directory: state,
    posture: postureOf(),
    clock: systemClock,
    random: () => 0.5,
    log: silent,
    language: 'en',
    onState: ({ state: now }) => (now === 'connected' ? connected.resolve() : undefined),
  });
  await connected.promise;
});
afterAll(async () => {
  await agent?.stop();
  await office?.close();
  forms?.close();
  code?.close();
  await rm(directory, { recursive: true, force: true });
});

async function send(text: string): Promise<{ status: number | undefined; body: string }> {
  const host = 'forms.apps.example.org';
  const headers = { host, 'content-type': 'text/plain' };
  const outgoing = request({
    port: agent.port,
    method: 'POST',
    path: `http://${host}/`,
    headers,
    agent: false,
  });
  outgoing.end(text);
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { status: answer.statusCode, body: (await answer.toArray()).join('') };
}
const findingsOf = (rule: string) =>
  recordsIn(join(office.made.data, 'flows')).filter(
    ({ class_uid, unmapped }) => class_uid === 2004 && unmapped.postern['rule'] === rule,
  );

it('a worker stops contents with too much protected data, and tells of them by how much', async () => {
  const secret = 'DOS-123456';
  expect((await send('nothing of note')).status).toBe(200);
  const { status, body } = await send(`please see ${secret}`);
  expect([status, JSON.parse(body).code]).toEqual([403, 'data-loss']);
  expect(forms.requests).toHaveLength(1);
  expect(findingsOf('data-loss')).toMatchObject([
    { unmapped: { postern: { app: 'forms', counts: { requests: 1, dossier: 1 } } } },
  ]);
  expect(linesIn(join(office.made.data, 'flows')).filter((line) => line.includes(secret))).toEqual([]);
});

it('a worker cuts a tunnel that is not what its application speaks', async () => {
  const { socket, status } = await connectThrough(agent.port, 'code.apps.example.org:22');
  expect(status).toBe(200);
  socket.resume().write('GET / HTTP/1.1\r\n\r\n');
  // Nothing that the program could take for an end.
  const [error] = await once(socket, 'error');
  expect(error).toMatchObject({ code: 'ECONNRESET' });
  socket.destroy();
  expect(reached).toBe('');
  expect(findingsOf('tunnel-other-protocol')).toMatchObject([
    { unmapped: { postern: { app: 'code', counts: { tunnels: 1, byClient: 1 } } } },
  ]);
});
