/**
 * What an upstream may say in HTTP/1.1 cannot always be said in HTTP/2: Node throws for two fields of a kind that stands
 * once. Thrown in the callback of a record that was written, with nobody there to catch it, such a throw ended the
 * worker and every flow in it: one broken application took all the others with it.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { http2Request, http2WebSocket } from '../lab/http2-client.ts';

const host = 'broken.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let broken: LabServer;
let answer: string;

beforeAll(async () => {
  broken = await startTcpService((socket: Socket) => {
    socket.on('data', () => void socket.write(answer));
  });
  lab = await startLabGateway({ apps: [labApp('broken', [broken.url.replace('tcp:', 'http:')])] });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  broken.close();
});

const get = async () => {
  const session = await alice.session();
  try {
    return await http2Request(session, {
      ':path': '/',
      ':authority': host,
      'proxy-authorization': `Bearer ${await alice.token()}`,
    });
  } finally {
    session.destroy();
  }
};
const twice = 'Content-Type: a/b\r\nContent-Type: c/d\r\n';

describe('an upstream that says twice what stands once, to a client of HTTP/2', () => {
  it('in its answer is refused', async () => {
    answer = `HTTP/1.1 200 OK\r\n${twice}Content-Length: 0\r\n\r\n`;
    const { status, body } = await get();
    expect([status, (JSON.parse(body) as { code: string }).code]).toEqual([502, 'upstream-malformed']);
  });

  it('in an interim answer is not heard, and its answer is', async () => {
    answer = `HTTP/1.1 103 Early Hints\r\n${twice}\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok`;
    expect(await get()).toMatchObject({ status: 200, body: 'ok', informational: [] });
  });

  it('in its trailers loses them, and those of another have all their values', async () => {
    const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n';
    answer = `${head}ETag: 1\r\nETag: 2\r\n\r\n`;
    expect(await get()).toMatchObject({ status: 200, body: 'ok', trailers: {}, rstCode: 0 });
    answer = `${head}X-Sum: 1\r\nX-Sum: 2\r\n\r\n`;
    expect(await get()).toMatchObject({ status: 200, trailers: { 'x-sum': '1, 2' }, rstCode: 0 });
  });

  it('as it upgrades ends that flow and nothing else', async () => {
    answer = `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${twice}\r\n`;
    const session = await alice.session();
    const stream = http2WebSocket(session, host, await alice.token());
    await once(stream, 'close').catch(() => undefined);
    const record = await lab.recorder.next(({ kind }) => kind === 'tunnel-closed');
    expect(record.outcome).toMatchObject({ refusal: 'upstream-malformed', endedBy: 'gateway' });
    expect(lab.gateway.counters().flowsOpen).toBe(0);
    answer = 'HTTP/1.1 204 No Content\r\n\r\n';
    expect((await get()).status).toBe(204);
    session.destroy();
  });
});
