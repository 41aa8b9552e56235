import { once } from 'node:events';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApplication, startTcpService } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway, LabLaptop } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';
import { http2Request } from '../lab/http2-client.ts';

const host = 'grants.apps.example.org';
let lab: LabGateway;
let alice: LabLaptop;
let grants: LabServer;
let payroll: LabServer;

beforeAll(async () => {
  grants = await startApplication('grants');
  payroll = await startTcpService((socket) => void socket.write('220 payroll\r\n'));
  lab = await startLabGateway({
    apps: [
      labApp('grants', [grants.url]),
      labApp('payroll', [payroll.url], { protocol: 'tcp', ports: [7000] }),
    ],
    limits: { idleConnectionTimeoutMs: 800 },
  });
  alice = await lab.laptop('alice@example.org');
});
afterAll(async () => {
  await lab.close();
  grants.close();
  payroll.close();
});

it('closes a connection that has been idle for too long, in HTTP/1.1 and HTTP/2', async () => {
  const token = { 'proxy-authorization': `Bearer ${await alice.token()}` };
  const socket = await alice.connect({ servername: host });
  const closed = once(socket, 'close');
  await httpOn(
    socket,
    `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: ${token['proxy-authorization']}\r\n\r\n`,
  );
  await closed;

  const session = await alice.session();
  const ended = once(session, 'close');
  await http2Request(session, { ':path': '/', ':authority': host, ...token });
  await ended;
});

it('leaves a session open that says by PINGs that its laptop is there, and closes one that says nothing', async () => {
  const alive = await alice.session();
  let pongs = 0;
  const ping = (): void => void alive.ping((error) => void (error === null && ((pongs += 1), ping())));
  ping();
  for (let silence = 0; silence < 2; silence += 1) await once(await alice.session(), 'close');
  expect(alive.closed).toBe(false);
  expect(pongs).toBeGreaterThan(0);
  const ended = once(alive, 'close');
  alive.destroy();
  await ended;
});

it('leaves a tunnel open in which nothing is said, however long', async () => {
  const tunnel = await alice.connect({ servername: 'gateway.example.org' });
  const target = 'payroll.apps.example.org:7000';
  tunnel.write(
    `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
  );
  let text = '';
  tunnel.on('data', (chunk: Buffer) => (text += chunk.toString()));
  while (!text.includes('220 payroll')) await once(tunnel, 'data');
  // Another connection, later, has been idle for long enough: so has the tunnel.
  const other = await alice.connect({ servername: host });
  const closed = once(other, 'close');
  await httpOn(
    other,
    `GET / HTTP/1.1\r\nHost: ${host}\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
  );
  await closed;
  expect(tunnel.destroyed).toBe(false);
  expect(lab.gateway.counters().flowsOpen).toBe(1);
  tunnel.destroy();
});
