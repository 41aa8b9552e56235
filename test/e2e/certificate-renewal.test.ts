import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { startAgent } from '../../agent/agent.ts';
import type { RunningAgent } from '../../agent/agent.ts';
import { systemClock } from '../../agent/clock.ts';
import { enrollDevice } from '../../agent/enrollment/enroll.ts';
import { createFakeClock } from '../agent/lab/fake-clock.ts';
import { connectThrough, readUntil } from '../agent/lab/proxy-client.ts';
import { postureOf } from '../agent/lab/world.ts';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { recordsIn } from '../lab/flow-records.ts';
import { startGreeter } from '../lab/speakers.ts';
import type { Greeter } from '../lab/speakers.ts';
import { startOffice } from './office.ts';
import type { Office } from './office.ts';

// Several processes, on a machine that may be busy.
vi.setConfig({ testTimeout: 90_000, hookTimeout: 90_000 });

const day = 86_400_000;
let office: Office;
let web: LabServer;
let ssh: Greeter;
let agent: RunningAgent;
let directory: string;
/** The download that is going on. */
let download: PromiseWithResolvers<ServerResponse>;
const clock = createFakeClock();
const said: string[] = [];
/** Resolves once the agent has logged that so many times. */
const hasSaid = (text: string, times = 1): Promise<unknown> =>
  vi.waitUntil(() => said.filter((line) => line.includes(text)).length >= times, { timeout: 60_000 });

const certificateOf = (): X509Certificate => new X509Certificate(readFileSync(join(directory, 'device.crt')));
const keyOf = (): string => readFileSync(join(directory, 'device.key'), 'utf8');

beforeAll(async () => {
  download = Promise.withResolvers();
  web = await startApplication('files', (_, response) => download.resolve(response));
  ssh = await startGreeter('SSH-2.0-OpenSSH_9.2\r\n');
  office = await startOffice();
  await office.addApp({ name: 'files', protocol: 'http', upstream: web.url });
  await office.addApp({
    name: 'code',
    protocol: 'tcp',
    ports: [22],
    upstream: `tcp://127.0.0.1:${ssh.port}`,
  });
  directory = join(office.made.directory, 'laptop');
  await enrollDevice({
    url: office.url,
    token: await office.invite('alice@example.org'),
    directory,
    force: false,
    chosen: { proxyPort: 0 },
    clock: systemClock,
  });
  const connected = Promise.withResolvers<void>();
  agent = await startAgent({
    directory,
    posture: postureOf(),
    clock,
    random: () => 0.5,
    log: pino({ level: 'info' }, { write: (line: string) => void said.push(line) }),
    language: 'en',
    // Only what falls due wakes it, and no PING of a busy machine comes too late by this clock.
    timings: { pingIntervalMs: 10_000_000, pingTimeoutMs: 10_000_000 },
    onState: ({ state }) => (state === 'connected' ? connected.resolve() : undefined),
  });
  await connected.promise;
});
afterAll(async () => {
  await agent?.stop();
  await office?.close();
  web?.close();
  await ssh?.close();
});

async function openTerminal(): Promise<{ socket: Socket; say(text: string): Promise<string> }> {
  const { socket, status, rest } = await connectThrough(agent.port, 'code.apps.example.org:22');
  expect(status).toBe(200);
  expect(await readUntil(socket, '\n', rest.toString())).toBe('SSH-2.0-OpenSSH_9.2\r\n');
  const say = async (text: string): Promise<string> => {
    socket.write(text);
    return readUntil(socket, text);
  };
  expect(await say('SSH-2.0-lab\r\n')).toBe('SSH-2.0-lab\r\n');
  return { socket, say };
}

async function openWebSocket(): Promise<{ socket: WebSocket; say(text: string): Promise<string> }> {
  const host = 'files.apps.example.org';
  const { socket: tunnel } = await connectThrough(agent.port, `${host}:443`);
  const ca = readFileSync(join(directory, 'ca.crt'));
  const inner = connectTls({ socket: tunnel, servername: host, ca, ALPNProtocols: ['http/1.1'] });
  const socket = new WebSocket(`wss://${host}/echo`, { createConnection: () => inner });
  await once(socket, 'message');
  const say = async (text: string): Promise<string> => {
    socket.send(text);
    return String((await once(socket, 'message'))[0]);
  };
  return { socket, say };
}

const startDownload = async (): Promise<{ answer: IncomingMessage; server: ServerResponse }> => {
  const host = 'files.apps.example.org';
  const outgoing = get({ port: agent.port, path: `http://${host}/image`, headers: { host }, agent: false });
  const server = await download.promise;
  server.writeHead(200, { 'content-type': 'application/octet-stream' });
  server.flushHeaders();
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
  return { answer, server };
};

it('takes a new certificate in the middle of a download, a WebSocket and a terminal, and none of them notices', async () => {
  const before = certificateOf();
  const key = keyOf();
  const [terminal, page, { answer, server }] = [
    await openTerminal(),
    await openWebSocket(),
    await startDownload(),
  ];
  const [sent, received] = [createHash('sha256'), createHash('sha256')];
  let bytes = 0;
  answer.on('data', (chunk: Buffer) => {
    received.update(chunk);
    bytes += chunk.length;
  });
  const ended = once(answer, 'end');
  const send = async (): Promise<void> => {
    const block = randomBytes(1024 * 1024);
    sent.update(block);
    if (!server.write(block)) await once(server, 'drain');
  };
  await send();
  expect([await page.say('one'), await terminal.say('one')]).toEqual(['one', 'one']);

  // Five of its seven days are over.
  clock.shiftWall(5 * day);
  clock.advance(400_000);
  await send();
  await hasSaid('certificate renewed');
  await hasSaid('gateway session ready', 2);
  const after = certificateOf();
  expect(after.serialNumber).not.toBe(before.serialNumber);
  expect(keyOf()).toBe(key);

  // What was there goes on where it was, with fresh tokens for the old certificate; what is new goes on the new one.
  const second = await openTerminal();
  for (let round = 0; round < 3; round += 1) {
    clock.advance(600_000);
    await send();
    // Twice: what the agent asked of its sessions meanwhile was answered before the second answer came.
    for (const word of ['more', 'and more']) {
      expect([await page.say(word), await terminal.say(word), await second.say(word)]).toEqual(
        Array.from({ length: 3 }, () => word),
      );
    }
  }
  // One is enough, though the laptop's clock finds that one half used up too.
  const lines = (text: string): string[] => said.filter((line) => line.includes(text));
  expect([lines('gateway session ended'), lines('certificate renewed').length]).toEqual([[], 1]);

  // And the session of the old certificate ends with its last flow.
  server.end();
  await ended;
  expect([received.digest('hex'), bytes]).toEqual([sent.digest('hex'), 5 * 1024 * 1024]);
  page.socket.close();
  terminal.socket.end();
  await hasSaid('gateway session ended');
  expect(await second.say('still here')).toBe('still here');
  expect(agent.view().state).toBe('connected');

  const opened = recordsIn(join(office.made.data, 'flows'))
    .filter((record) => record['app_name'] === 'code' && record['activity_name'] === 'Open')
    .map(({ unmapped }) => unmapped.postern['certificateSerial']);
  // A number: some write it with a zero before it.
  const serial = (hex: unknown): bigint => BigInt(`0x${String(hex)}`);
  expect(opened.map(serial)).toEqual([serial(before.serialNumber), serial(after.serialNumber)]);
  second.socket.destroy();
});
