/*
 * HTTP/2 in Node: `stream.close(code)` on a stream whose writable side is still open first ends that side, so the peer
 * receives END_STREAM before the reset and takes half an upload for a whole one; and a stream that the peer reset emits
 * `end` as well as `error`, so a plain pipe makes half an answer look complete to the program behind it. A file that was
 * cut in transfer would be stored as if it were all there. Here: what breaks off on one side of the agent is reset on
 * the other, and only an end is passed on as an end.
 */
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { ask } from '../agent/lab/proxy-client.ts';
import { makeWorld } from '../agent/lab/world.ts';
import type { Laptop, World } from '../agent/lab/world.ts';

let world: World;
let laptop: Laptop;
afterEach(() => world.close());

const target = 'http://grants.apps.example.org/';

/** Sends a chunked upload, with or without its end, and tells how it looked to the gateway. */
async function upload(last: string): Promise<string> {
  const outcome = Promise.withResolvers<string>();
  const begun = Promise.withResolvers<void>();
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.on('data', () => begun.resolve());
    stream.once('end', () => outcome.resolve(stream.rstCode === 0 ? 'whole' : 'broken'));
    stream.once('close', () => outcome.resolve(stream.rstCode === 0 ? 'whole' : 'broken'));
  });
  const socket = connect({ host: '127.0.0.1', port: laptop.port });
  socket.on('error', () => {});
  const head = `POST ${target} HTTP/1.1\r\nHost: grants.apps.example.org\r\nTransfer-Encoding: chunked\r\n\r\n`;
  socket.write(`${head}4\r\nhalf\r\n${last}`);
  await begun.promise;
  if (last === '') socket.destroy();
  const seen = await outcome.promise;
  socket.destroy();
  return seen;
}

it('lets the gateway tell a whole upload from one that was broken off', async () => {
  world = await makeWorld();
  laptop = await world.startLaptop();
  await laptop.reach('connected');
  expect([await upload('0\r\n\r\n'), await upload('')]).toEqual(['whole', 'broken']);
});

it('lets the program tell a whole answer from one that was broken off', async () => {
  world = await makeWorld();
  laptop = await world.startLaptop();
  await laptop.reach('connected');
  let cut = false;
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.respond({ ':status': 200 });
    stream.write('half');
    if (cut) setImmediate(() => stream.destroy(new Error('cut')));
    else stream.end();
  });
  expect((await ask(laptop.port, target)).body).toBe('half');
  cut = true;
  await expect(ask(laptop.port, target)).rejects.toThrow(/aborted|ECONNRESET/);
});

it('lets the program tell a tunnel that ended from one that was cut with its session', async () => {
  world = await makeWorld();
  laptop = await world.startLaptop();
  await laptop.reach('connected');
  world.gateway.tunnels.set(
    'ledger.apps.example.org:5432',
    await world.serve((socket) => socket.write('half')),
  );
  const socket = connect({ host: '127.0.0.1', port: laptop.port });
  socket.write('CONNECT ledger.apps.example.org:5432 HTTP/1.1\r\nHost: ledger.apps.example.org:5432\r\n\r\n');
  let received = '';
  while (!received.includes('half')) received += String(((await once(socket, 'data')) as [Buffer])[0]);
  const ended = once(socket, 'end').then(() => 'ended');
  const broken = once(socket, 'close').then(() => 'closed');
  const failed = new Promise((resolve) => socket.once('error', () => resolve('reset')));
  world.gateway.sessions[0]?.destroy();
  expect(await Promise.race([ended, failed, broken])).toBe('reset');
});
