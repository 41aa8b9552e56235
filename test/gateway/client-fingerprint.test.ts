import { once } from 'node:events';
import { connect as connectTcp, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import * as fc from 'fast-check';
import { expect, it, onTestFinished } from 'vitest';
import { useGrants } from '../lab/grants.ts';
import { httpOn } from '../lab/http-client.ts';

const grants = useGrants({ limits: { handshakeTimeoutMs: 20_000 } });
const { host } = grants;
const own = (): ConnectionOptions => ({
  cert: grants.alice.certificate.chainPem,
  key: grants.alice.certificate.keyPem,
  ca: grants.lab.organization.rootPem,
  servername: host,
  ALPNProtocols: ['http/1.1'],
});

/** What the gateway records of a handshake on that port. @returns the fingerprint */
async function fingerprintOf(
  options: ConnectionOptions,
  port = grants.lab.port,
): Promise<string | undefined> {
  const from = grants.lab.recorder.records.length;
  const socket = connectTls({ host: '127.0.0.1', port, ...own(), ...options });
  socket.on('error', () => undefined);
  const answer = await httpOn(socket, `GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  expect(answer.status).toBe(401);
  const { facts } = await grants.lab.recorder.next(
    ({ kind, outcome }) => kind === 'authentication' && outcome?.refusal === undefined,
    from,
  );
  socket.destroy();
  return facts.connection.ja4?.value;
}

/** Passes what clients send on byte by byte, each on its own. */
async function drip(): Promise<number> {
  const server = createServer((client) => {
    const gateway = connectTcp({ port: grants.lab.port, host: '127.0.0.1', noDelay: true });
    for (const socket of [client, gateway]) socket.on('error', () => undefined);
    gateway.pipe(client);
    client.on('close', () => gateway.destroy());
    void pass(client, gateway);
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function pass(from: Socket, to: Socket): Promise<void> {
  for await (const chunk of from)
    for (const byte of chunk as Buffer)
      await new Promise((resolve) => to.write(Uint8Array.of(byte), () => setImmediate(resolve)));
}

it('is on record for a program, the same each time, and another for another', async () => {
  const first = await fingerprintOf({});
  expect(first).toMatch(/^t13d\d{4}h1_[0-9a-f]{12}_[0-9a-f]{12}$/);
  expect(await fingerprintOf({})).toBe(first);
  expect(await fingerprintOf({ ciphers: 'TLS_AES_256_GCM_SHA384' })).not.toBe(first);
});

it('is the same of a hello that comes byte by byte', async () => {
  expect(await fingerprintOf({}, await drip())).toBe(await fingerprintOf({}));
});

it('is on record of a handshake that is refused, too', async () => {
  const socket = connectTls({
    host: '127.0.0.1',
    port: grants.lab.port,
    ...own(),
    cert: undefined,
    key: undefined,
  });
  socket.on('error', () => undefined);
  const { facts } = await grants.lab.recorder.next(
    ({ outcome }) => outcome?.refusal === 'certificate-missing',
  );
  expect(facts.connection.ja4?.value).toMatch(/^t13d/);
  socket.destroy();
});

it('stalls and ends nothing, whatever comes in its place', async () => {
  const garbage = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 200 }),
    fc.uint8Array({ maxLength: 200 }).map((bytes) => Uint8Array.of(22, 3, 1, 0, bytes.length, ...bytes)),
    fc
      .uint8Array({ maxLength: 200 })
      .map((bytes) => Uint8Array.of(22, 3, 1, 0, bytes.length + 4, 1, 0, 0, bytes.length, ...bytes)),
  );
  await fc.assert(
    fc.asyncProperty(garbage, fc.boolean(), async (bytes, isSplit) => {
      const socket = connectTcp({ port: grants.lab.port, host: '127.0.0.1', noDelay: true });
      socket.on('error', () => undefined);
      socket.resume();
      const closed = once(socket, 'close');
      if (isSplit) socket.write(bytes.subarray(0, 1), () => socket.end(bytes.subarray(1)));
      else socket.end(bytes);
      await closed;
    }),
    { numRuns: 60 },
  );
  expect(await fingerprintOf({})).toMatch(/^t13d/);
  expect(grants.lab.errors).toEqual([]);
});

it('leaves a connection that ends before it said anything as a failed handshake', async () => {
  const socket = connectTcp(grants.lab.port, '127.0.0.1');
  await once(socket, 'connect');
  socket.end();
  const { facts, outcome } = await grants.lab.recorder.next(
    ({ outcome: found }) => found?.detail === 'ECONNRESET',
  );
  expect([facts.connection.ja4, outcome?.refusal]).toEqual([undefined, 'handshake-failed']);
});
