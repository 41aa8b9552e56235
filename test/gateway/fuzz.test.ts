import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import * as fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';
import { http2Request } from '../lab/http2-client.ts';

const host = 'grants.apps.example.org';
const seed = Number(process.env['FUZZ_SEED'] ?? 20_261_125);
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;
let token: string;
const uncaught: unknown[] = [];
const note = (error: unknown) => void uncaught.push(error);

beforeAll(async () => {
  // In a worker either of these would be its end.
  process.on('uncaughtExceptionMonitor', note);
  app = await startApplication('grants');
  lab = await startLabGateway({
    apps: [labApp('grants', [app.url])],
    limits: { handshakeTimeoutMs: 300, headersTimeoutMs: 1000, bodyIdleTimeoutMs: 300 },
  });
  alice = await lab.laptop('alice@example.org');
  token = await alice.token();
});
afterAll(async () => {
  await lab.close();
  app.close();
  process.off('uncaughtExceptionMonitor', note);
});

/** After whatever came before: a good client, by both protocols, on connections of its own. */
afterEach(async () => {
  const socket = await alice.connect({ servername: host });
  const answer = await httpOn(
    socket,
    `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\n\r\n`,
  );
  expect(answer.status).toBe(200);
  socket.destroy();
  const session = await alice.session();
  const second = await http2Request(session, {
    ':path': '/',
    ':authority': host,
    'proxy-authorization': `Bearer ${token}`,
  });
  expect(second.status).toBe(200);
  session.destroy();
  expect(uncaught).toEqual([]);
  expect(lab.errors).toEqual([]);
});

/** Writes, then waits until the other side is done with it, or for as long as anything could take. */
async function throwAt(socket: Socket, bytes: Buffer): Promise<void> {
  socket.on('error', () => undefined);
  socket.resume();
  const done = Promise.race([
    new Promise((resolve) => socket.once('close', resolve)),
    new Promise((resolve) => socket.once('data', resolve)),
  ]);
  socket.end(bytes);
  await done;
  socket.destroy();
}

/** The first bytes that a real client sends. */
async function recordClientHello(): Promise<Buffer> {
  const { createServer } = await import('node:net');
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  const { connect } = await import('node:tls');
  const client = connect({ host: '127.0.0.1', port, servername: host, ALPNProtocols: ['h2', 'http/1.1'] });
  client.on('error', () => undefined);
  const [accepted] = (await once(server, 'connection')) as [Socket];
  const [hello] = (await once(accepted, 'data')) as [Buffer];
  client.destroy();
  accepted.destroy();
  server.close();
  return hello;
}

const edits = fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { minLength: 1, maxLength: 12 });
const edited = (bytes: Buffer, changes: readonly (readonly [number, number])[]): Buffer => {
  const copy = Buffer.from(bytes);
  for (const [at, value] of changes) copy[at % copy.length] = value;
  return copy;
};

describe('fuzzed input never ends a worker', () => {
  it('survives altered and cut ClientHellos', async () => {
    const hello = await recordClientHello();
    await fc.assert(
      fc.asyncProperty(edits, fc.nat(hello.length), async (changes, length) => {
        const bytes = edited(hello, changes);
        await throwAt(
          connectTcp(lab.port, '127.0.0.1'),
          length % 3 === 0 ? bytes.subarray(0, length) : bytes,
        );
      }),
      { seed, numRuns: 150 },
    );
  });

  it('survives bytes that are no TLS at all', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: 600 }), (bytes) =>
        throwAt(connectTcp(lab.port, '127.0.0.1'), Buffer.from(bytes)),
      ),
      { seed, numRuns: 100 },
    );
  });

  it('survives altered requests of HTTP/1.1', async () => {
    const request = Buffer.from(
      `POST /a/b?c=d HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nConnection: x-y\r\nX-Y: z\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n`,
    );
    await fc.assert(
      fc.asyncProperty(edits, async (changes) =>
        throwAt(await alice.connect({ servername: host }), edited(request, changes)),
      ),
      { seed, numRuns: 150 },
    );
  });

  it('survives altered and invented frames of HTTP/2', async () => {
    const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const frame = fc
      .record({
        type: fc.nat(12),
        flags: fc.nat(255),
        stream: fc.nat(7),
        payload: fc.uint8Array({ maxLength: 60 }),
        lie: fc.integer({ min: -2, max: 2 }),
      })
      .map(({ type, flags, stream, payload, lie }) => {
        const head = Buffer.alloc(9);
        head.writeUIntBE(Math.max(0, payload.length + (lie === 2 ? 1 : 0)), 0, 3);
        head[3] = type;
        head[4] = flags;
        head.writeUInt32BE(stream, 5);
        return Buffer.concat([head, payload]);
      });
    const settings = Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(frame, { minLength: 1, maxLength: 10 }),
        fc.boolean(),
        async (frames, polite) => {
          const socket = await alice.connect({ servername: 'gateway.example.org', ALPNProtocols: ['h2'] });
          await throwAt(socket, Buffer.concat([preface, ...(polite ? [settings] : []), ...frames]));
        },
      ),
      { seed, numRuns: 150 },
    );
  });

  it('survives a storm of streams that are opened and reset', async () => {
    const session = await alice.session();
    for (let count = 0; count < 3000 && !session.destroyed; count += 1) {
      try {
        const stream = session.request({
          ':path': '/',
          ':authority': host,
          'proxy-authorization': `Bearer ${token}`,
        });
        stream.on('error', () => undefined);
        stream.close(8);
      } catch {
        break;
      }
      if (count % 100 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    session.destroy();
  });

  it('survives clients that leave at any moment', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(3), async (moment) => {
        const socket = await alice.connect({ servername: host });
        socket.write(
          `POST / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${token}\r\nContent-Length: 10\r\n\r\nhalf`,
        );
        for (let turn = 0; turn < moment; turn += 1) await new Promise((resolve) => setImmediate(resolve));
        socket.destroy();
      }),
      { seed, numRuns: 60 },
    );
  });
});
