import { afterAll, beforeAll, expect, it } from 'vitest';
import type { DeviceId } from '../../src/domain/ids.ts';
import { createHeldBytes } from '../../src/gateway/content/held-bytes.ts';
import { startApplication } from '../lab/app-server.ts';
import type { LabServer } from '../lab/app-server.ts';
import { labApp, startLabGateway } from '../lab/gateway.ts';
import type { LabGateway } from '../lab/gateway.ts';
import { httpOn } from '../lab/http-client.ts';

const host = 'app.apps.example.org';
let upstream: LabServer;
let lab: LabGateway;
beforeAll(async () => {
  upstream = await startApplication();
  lab = await startLabGateway({
    apps: [labApp('app', [upstream.url], { inspect: ['waf'] })],
    limits: { bodyIdleTimeoutMs: 500 },
    inspection: { coreRuleSet: '.', maxBodyBytes: 65_536, maxHeldBytes: 1_048_576, timeoutMs: 60_000 },
  });
});
afterAll(async () => {
  await lab.close();
  upstream.close();
});

it('a client that keeps sending, and too slowly to come to an end, does not keep its place', async () => {
  const alice = await lab.laptop('alice@example.org');
  const socket = await alice.connect({ servername: host });
  const answer = httpOn(
    socket,
    `POST / HTTP/1.1\r\nHost: ${host}\r\nContent-Length: 60000\r\nProxy-Authorization: Bearer ${await alice.token()}\r\n\r\n`,
  );
  const trickle = setInterval(() => socket.write('x'), 20);
  const { status, body } = await answer;
  clearInterval(trickle);
  expect([status, JSON.parse(body), upstream.requests.length]).toMatchObject([
    408,
    { code: 'request-timeout' },
    0,
  ]);
  socket.destroy();
});

it('what is held is bounded for all, and for each device', () => {
  const [alice, bob, carol, dave, eve] = ['a', 'b', 'c', 'd', 'e'] as DeviceId[] as [
    DeviceId,
    DeviceId,
    DeviceId,
    DeviceId,
    DeviceId,
  ];
  const bytes = createHeldBytes(400);
  expect([bytes.take(alice, 60), bytes.take(alice, 41), bytes.take(alice, 40)]).toEqual([true, false, true]);
  expect([bytes.take(bob, 100), bytes.take(carol, 100), bytes.take(dave, 100)]).toEqual([true, true, true]);
  expect(bytes.take(eve, 1)).toBe(false);
  bytes.giveBack(alice, 60);
  expect([bytes.take(eve, 60), bytes.take(alice, 1)]).toEqual([true, false]);
  bytes.giveBack(alice, 40);
  expect([bytes.take(alice, 41), bytes.take(alice, 40)]).toEqual([false, true]);
});
