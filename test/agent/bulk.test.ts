import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { ask, connectThrough } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { World } from './lab/world.ts';

let world: World;
afterEach(() => world.close());

const grants = 'grants.apps.example.org';
const ledger = 'ledger.apps.example.org:5432';
const chunk = Buffer.alloc(64 * 1024, 'postern ');

/** Sends for as long as somebody reads. */
async function pour(socket: Socket): Promise<void> {
  while (!socket.destroyed) {
    if (!socket.write(chunk))
      await Promise.race([once(socket, 'drain'), once(socket, 'close')]).catch(() => undefined);
    // Others in this process have their turn.
    await new Promise((resolve) => setImmediate(resolve));
  }
}

const sessionsOf = (authority: string): number[] =>
  world.gateway.requests
    .filter(({ headers }) => headers[':authority'] === authority)
    .map(({ session }) => session);

it('opens a second session beside a long download, and puts new flows there', async () => {
  world = await makeWorld();
  world.gateway.tunnels.set(ledger, await world.serve((socket) => void pour(socket)));
  world.gateway.apps.set(grants, (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('grants');
  });
  const laptop = await world.startLaptop({ random: () => 0 });
  await laptop.reach('connected');
  expect((await ask(laptop.port, `http://${grants}/`)).body).toBe('grants');
  const { socket } = await connectThrough(laptop.port, ledger);
  socket.resume();
  // Without a download there is one; the second comes by itself, before anybody asks for it.
  await world.gateway.probe(2);
  while (sessionsOf(grants).at(-1) !== 1) await ask(laptop.port, `http://${grants}/`);
  expect([world.gateway.sessions.length, sessionsOf(grants)[0], sessionsOf(ledger)]).toEqual([2, 0, [0]]);
  socket.destroy();
});

it('opens none for flows that are short', async () => {
  world = await makeWorld();
  world.gateway.apps.set(grants, (stream) => {
    stream.respond({ ':status': 200 });
    // All of them together are less than what counts as much, however fast they come.
    stream.end(chunk.subarray(0, 8192));
  });
  const laptop = await world.startLaptop({ random: () => 0 });
  await laptop.reach('connected');
  for (let count = 0; count < 20; count += 1)
    expect((await ask(laptop.port, `http://${grants}/`)).body).toHaveLength(8192);
  expect(world.gateway.sessions).toHaveLength(1);
});

it('goes on over the session where the gateway knows of no lines', async () => {
  world = await makeWorld();
  world.gateway.tunnels.set(ledger, await world.serve((socket) => void pour(socket)));
  const laptop = await world.startLaptop({ random: () => 0 });
  await laptop.reach('connected');
  const line = '/.well-known/masque/tcp/ledger.apps.example.org/5432/';
  do {
    const { socket, status } = await connectThrough(laptop.port, ledger);
    expect(status).toBe(200);
    // As much as shows what the application is used for.
    let length = 0;
    for await (const piece of socket as AsyncIterable<Buffer>)
      if ((length += piece.length) > 17 * 1024 * 1024) break;
  } while (!world.gateway.asked.includes(line));
});
