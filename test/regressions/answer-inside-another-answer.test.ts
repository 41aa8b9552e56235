/**
 * Response splitting without a line break: a client pipelines two requests, and the application behind the second one
 * sends an interim answer while the first answer is half way out. A proxy that writes it to the connection at once puts
 * bytes of one application into the answer of another, and the client out of step with all that follow. The same goes for
 * an upgrade or a CONNECT behind a request that is not answered yet.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';

let lab: LabGateway;
let alice: LabLaptop;
let slow: LabServer;
let evil: LabServer;
let finishSlow: (() => void) | undefined;
let asked: PromiseWithResolvers<Socket>;

beforeAll(async () => {
  slow = await startTcpService((socket) => {
    socket.on('data', () => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello');
      finishSlow = () => void socket.write('world');
    });
  });
  evil = await startTcpService((socket) => void socket.on('data', () => asked.resolve(socket)));
  const http = ({ url }: LabServer): string => url.replace('tcp:', 'http:');
  lab = await startLabGateway({ apps: [labApp('slow', [http(slow)]), labApp('evil', [http(evil)])] });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  slow.close();
  evil.close();
});

async function pipeline(
  second: string,
): Promise<{ seen: () => string; closed: Promise<unknown>; until: (text: string) => Promise<void> }> {
  asked = Promise.withResolvers();
  const socket = await alice.connect({ servername: 'gateway.example.org' });
  let text = '';
  socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')));
  const token = `Proxy-Authorization: Bearer ${await alice.token()}`;
  const first = `GET https://slow.apps.example.org/ HTTP/1.1\r\nHost: slow.apps.example.org\r\n${token}\r\n\r\n`;
  socket.write(first + second.replace('TOKEN', token));
  return {
    seen: () => text,
    closed: once(socket, 'close'),
    async until(wanted) {
      while (!text.includes(wanted)) await once(socket, 'data');
    },
  };
}

it('keeps an interim answer out of the answer before it, and passes it where it is its turn', async () => {
  const client = await pipeline(
    'GET https://evil.apps.example.org/ HTTP/1.1\r\nHost: evil.apps.example.org\r\nTOKEN\r\n\r\n',
  );
  const upstream = await asked.promise;
  await client.until('hello');
  upstream.write('HTTP/1.1 103 Early Hints\r\nX-Evil: 1\r\n\r\n');
  upstream.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
  await lab.recorder.next(({ facts, outcome }) => facts.app?.name === 'evil' && outcome?.status === 200);
  finishSlow?.();
  await client.until('evil');
  expect(client.seen()).toMatch(/helloworldHTTP\/1\.1 200 OK\r\n/);
  expect(client.seen()).not.toContain('x-evil');
});

it.each([
  [
    'an upgrade',
    'GET https://evil.apps.example.org/ HTTP/1.1\r\nHost: evil.apps.example.org\r\nTOKEN\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n',
  ],
  [
    'a CONNECT',
    'CONNECT evil.apps.example.org:443 HTTP/1.1\r\nHost: evil.apps.example.org:443\r\nTOKEN\r\n\r\n',
  ],
])('lets %s not become another protocol in the middle of an answer', async (_what, second) => {
  const { records } = lab.recorder;
  const before = records.length;
  const client = await pipeline(second);
  const record = await lab.recorder.next(({ outcome }) => outcome?.refusal !== undefined, before);
  expect(record.outcome).toMatchObject({
    refusal: 'bad-request',
    detail: 'pipelined behind an unanswered request',
  });
  await client.closed;
  expect(client.seen()).not.toMatch(/101|Connection Established/);
});
