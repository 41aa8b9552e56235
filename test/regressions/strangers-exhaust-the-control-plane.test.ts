/**
 * Boundary CVE-2026-7776 and its like: whoever had no credential at all could hold handshakes and requests open until
 * nobody else was served, or end the process with bytes that no parser expected (Node CVE-2026-21637). Before it knows
 * who speaks, the control plane bounds connections of an address, time, header and body, and nothing that is sent to it
 * ends it.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect as connectPlain, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect } from 'node:tls';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startControlLab } from '../control/control-lab.ts';
import type { ControlLab } from '../control/control-lab.ts';

let lab: ControlLab;
beforeAll(async () => {
  lab = await startControlLab();
});
afterAll(() => lab.close());

const isServing = async (): Promise<boolean> => (await lab.ask('GET', '/v1/devices')).status === 200;

/** Sends bytes and waits until the other side has closed. */
async function sendRaw(bytes: Buffer): Promise<void> {
  const socket = connectPlain(lab.port, '127.0.0.1');
  socket.on('error', () => undefined);
  const closed = once(socket, 'close');
  socket.end(bytes);
  socket.resume();
  await closed;
}

/** The first bytes of a TLS client, to be damaged. */
async function captureClientHello(): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({
    host: '127.0.0.1',
    port: (server.address() as AddressInfo).port,
    servername: 'localhost',
  });
  client.on('error', () => undefined);
  const [socket] = (await once(server, 'connection')) as [Socket];
  const [hello] = (await once(socket, 'data')) as [Buffer];
  client.destroy();
  socket.destroy();
  server.close();
  return hello;
}

it('goes on serving after handshakes that are noise, cut off, or plain HTTP', async () => {
  const hello = await captureClientHello();
  const attempts = [
    Buffer.from('GET / HTTP/1.1\r\n\r\n'),
    Buffer.alloc(0),
    randomBytes(4096),
    hello.subarray(0, hello.length / 2),
    ...Array.from({ length: 40 }, (_, index) => {
      const damaged = Buffer.from(hello);
      const at = (index * 37) % damaged.length;
      damaged[at] = (damaged[at] ?? 0) ^ (1 << (index % 8));
      return damaged;
    }),
  ];
  expect(hello.length).toBeGreaterThan(200);
  for (const attempt of attempts) await sendRaw(attempt);
  expect(await isServing()).toBe(true);
});

it('refuses a body over its bound before it is read, and a header over its bound', async () => {
  const large = await lab
    .ask('POST', '/v1/enrollment-tokens', { raw: `{"user":"${'a'.repeat(1_100_000)}"}` })
    .catch(() => ({ status: 413 }));
  expect(large.status).toBe(413);
  const header = await lab.ask('GET', '/v1/devices', { headers: { 'x-filler': 'a'.repeat(20_000) } });
  expect(header.status).toBe(431);
  const enroll = await lab
    .ask('POST', '/v1/enroll', { key: null, raw: `{"token":"${'a'.repeat(40_000)}"}` })
    .catch(() => ({ status: 413 }));
  expect(enroll.status).toBe(413);
  expect(await isServing()).toBe(true);
});

it('closes what is over an address’s bound of connections, and serves again when there is room', async () => {
  const sockets: Socket[] = [];
  let refused = 0;
  const opened = Array.from({ length: 520 }, async () => {
    const socket = connectPlain(lab.port, '127.0.0.1');
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => (refused += 1));
    await once(socket, 'connect');
  });
  await Promise.allSettled(opened);
  await expect.poll(() => refused, { timeout: 20_000 }).toBeGreaterThanOrEqual(20);
  const before = refused;
  expect(before).toBeLessThan(60);
  for (const socket of sockets) socket.destroy();
  await expect.poll(() => isServing().catch(() => false), { timeout: 20_000 }).toBe(true);
});
