import { once } from 'node:events';
import type { Socket } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, it } from 'vitest';
import { createFakeClock } from './lab/fake-clock.ts';
import { ask, connectThrough, readUntil } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { World } from './lab/world.ts';

let world: World;
afterEach(() => world.close());

const grants = 'grants.apps.example.org';
const ledger = 'ledger.apps.example.org:5432';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

it('carries a thousand tunnels at once, on as many sessions as the streams that a gateway takes call for', async () => {
  world = await makeWorld();
  world.gateway.tunnels.set(ledger, await world.serve((socket) => socket.pipe(socket)));
  const laptop = await world.startLaptop({ random: () => 0 });
  await laptop.reach('connected');
  const tunnels: Socket[] = [];
  // As many at a time as a busy machine opens; all of them stay.
  for (let batch = 0; batch < 10; batch += 1) {
    const opened = await Promise.all(Array.from({ length: 100 }, () => connectThrough(laptop.port, ledger)));
    expect(opened.map(({ status }) => status)).toEqual(Array.from({ length: 100 }, () => 200));
    tunnels.push(...opened.map(({ socket }) => socket));
  }
  const said = await Promise.all(
    tunnels.map((socket, index) => {
      socket.write(`tunnel ${index};`);
      return readUntil(socket, ';');
    }),
  );
  expect(said).toEqual(tunnels.map((_, index) => `tunnel ${index};`));
  // 256 streams on each, some of which are kept for tokens.
  expect(world.gateway.sessions.length).toBeGreaterThanOrEqual(5);
  expect(world.gateway.sessions.length).toBeLessThanOrEqual(9);
  const closed = tunnels.map((socket) => once(socket, 'close'));
  for (const socket of tunnels) socket.destroy();
  await Promise.all(closed);
}, 60_000);

it('lives through days of naps, other networks and gateways that go, and keeps nothing of them', async () => {
  world = await makeWorld();
  const clock = createFakeClock();
  let network = 0;
  const laptop = await world.startLaptop({
    clock,
    random: () => 0,
    addresses: () => new Set([`192.0.2.${network % 250}`]),
  });
  world.gateway.apps.set(grants, (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('grants');
  });
  await laptop.reach('connected');
  /** Asleep for longer than a token lives, then on another network; every third time the gateway is another process. */
  const nap = async (count: number): Promise<void> => {
    clock.shiftWall(20 * 60_000);
    network += 1;
    if (count % 3 === 0) {
      await world.gateway.crash();
      await world.gateway.restart();
    }
    clock.advance(15_000);
    expect((await ask(laptop.port, `http://${grants}/`)).body, `nap ${count}`).toBe('grants');
  };
  const measure = async (): Promise<{ bytes: number; sleepers: number; resources: number }> => {
    // What closes takes a turn or two to be gone.
    await laptop.status();
    await new Promise((resolve) => setImmediate(resolve));
    collectGarbage();
    return {
      bytes: process.memoryUsage().heapUsed,
      sleepers: clock.sleeping().length,
      resources: process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout/.test(name)).length,
    };
  };
  for (let count = 0; count < 48; count += 1) await nap(count);
  const before = await measure();
  for (let count = 0; count < 240; count += 1) await nap(count);
  const after = await measure();
  expect(after.sleepers).toBeLessThanOrEqual(before.sleepers + 2);
  expect(after.resources).toBeLessThanOrEqual(before.resources + 4);
  // The lab's own books (each request, each token) grow by some kilobytes a nap; a session that is kept is a hundred.
  expect(after.bytes - before.bytes).toBeLessThan(240 * 20_000);
}, 90_000);
