import { once } from 'node:events';
import { createHash, randomBytes } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const host = 'files.apps.example.org';
const chunk = randomBytes(1024 * 1024);
const chunks = 256;
let lab: LabGateway;
let alice: LabLaptop;
let app: LabServer;
/** Bytes that the app has written of its endless answer. */
let written = 0;
let received = 0;
let pausedUpload: (() => void) | undefined;

beforeAll(async () => {
  app = await startApplication('files', (request, response) => {
    if (request.url === '/endless') {
      const more = (): void => {
        while (!response.destroyed) {
          written += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', more);
        }
      };
      return more();
    }
    if (request.url === '/unread') {
      // Takes the first piece and no more until it is told to.
      request.once('data', (piece: Buffer) => {
        received += piece.length;
        request.pause();
        pausedUpload = () => request.destroy();
      });
      return;
    }
    const digest = createHash('sha256');
    request.on('data', (piece: Buffer) => digest.update(piece));
    request.on('end', () => response.end(digest.digest('hex')));
  });
  lab = await startLabGateway({
    apps: [labApp('files', [app.url])],
    limits: { upstreamHeadersTimeoutMs: 1500 },
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  pausedUpload?.();
  await lab.close();
  app.close();
});

const hasRoomSoon = (socket: TLSSocket): Promise<boolean> =>
  Promise.race([
    once(socket, 'drain').then(() => true),
    new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 500)),
  ]);

describe('bodies', () => {
  it('of any size arrive whole, both known and unknown in length', async () => {
    for (const framing of [
      `Content-Length: ${chunk.length * chunks}`,
      'Transfer-Encoding: chunked',
    ] as const) {
      const socket = await alice.connect({ servername: host });
      const digest = createHash('sha256');
      const answer = httpOn(
        socket,
        `PUT /big HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n${framing}\r\n\r\n`,
      );
      for (let count = 0; count < chunks; count += 1) {
        digest.update(chunk);
        if (framing.startsWith('T')) socket.write(`${chunk.length.toString(16)}\r\n`);
        const isRoom = socket.write(chunk);
        if (framing.startsWith('T')) socket.write('\r\n');
        if (!isRoom) await once(socket, 'drain');
      }
      if (framing.startsWith('T')) socket.write('0\r\n\r\n');
      expect((await answer).body).toBe(digest.digest('hex'));
      socket.destroy();
    }
  });

  it('wait in the application while the client does not read', async () => {
    const socket = await alice.connect({ servername: host });
    socket.write(
      `GET /endless HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
    );
    await once(socket, 'readable');
    let before = -1;
    // It has stopped when nothing more was written in many turns; the kernel's buffers are what it takes until then.
    for (let quiet = 0; quiet < 20; quiet = written === before ? quiet + 1 : 0) {
      before = written;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    expect(written).toBeLessThan(64 * 1024 * 1024);
    const gone = new Promise((resolve) => [...app.sockets].at(-1)?.once('close', resolve));
    socket.destroy();
    await gone;
    const record = await lab.recorder.next(
      ({ kind, facts }) => kind === 'request' && facts.request?.path === '/endless',
    );
    expect(record.outcome).toMatchObject({ endedBy: 'client', status: 200 });
  });

  it('wait in the client while the application does not read', async () => {
    const socket = await alice.connect({ servername: host });
    socket.write(
      `PUT /unread HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\nContent-Length: 10000000000\r\n\r\n`,
    );
    socket.write(chunk);
    // Where the application has not been reached yet, a full socket says nothing of it.
    await expect.poll(() => received, { timeout: 20_000 }).toBeGreaterThan(0);
    let sent = chunk.length;
    let isFull = false;
    // A socket that has been full for a while is one whose other end has stopped reading.
    while (!isFull) {
      isFull = !socket.write(chunk) && !(await hasRoomSoon(socket));
      sent += chunk.length;
    }
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    // Nobody waits for ever for such an application either.
    const record = await lab.recorder.next(
      ({ kind, facts }) => kind === 'request' && facts.request?.path === '/unread',
    );
    expect(record.outcome).toMatchObject({ refusal: 'upstream-timeout', status: 504 });
    socket.destroy();
    expect(lab.errors).toEqual([]);
  });
});
