import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import type { Duplex } from 'node:stream';
import { afterEach, describe, expect, it } from 'vitest';
import { createDatagramListeners } from '../../agent/intercept/datagram-listeners.ts';
import type { OpenDatagrams } from '../../agent/intercept/datagram-listeners.ts';
import type { Endpoint } from '../../agent/intercept/app-endpoints.ts';
import { findFreePort } from '../../src/control/free-port.ts';
import { createCapsuleReader, encodeDatagram } from '../../src/contract/datagram-capsules.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).reverse()) close();
});

/** Listeners whose ways are answered by this test, and a program that speaks to one of them. */
async function lab(
  open: OpenDatagrams,
  {
    maxFlows = 8,
    sleep = () => Promise.resolve(),
  }: { maxFlows?: number; sleep?: (ms: number) => Promise<void> } = {},
) {
  const listeners = createDatagramListeners(open, maxFlows, sleep);
  closing.push(() => listeners.close());
  const port = await findFreePort('127.0.0.1');
  const place = { host: 'names.apps.example.org', address: '127.64.9.9', port };
  await listeners.sync([place]);
  const program = () => {
    const socket = createSocket('udp4');
    closing.push(() => socket.close());
    return {
      socket,
      say: (text: string) =>
        new Promise<void>((resolve) => socket.send(text, port, place.address, () => resolve())),
      heard: async () => ((await once(socket, 'message')) as [Buffer])[0].toString(),
    };
  };
  return { listeners, place, program };
}

/** The gateway's end of a way: says back what came, with a name before it. */
function echoing(name: string): Duplex {
  const [ours, theirs] = duplexPair();
  const reader = createCapsuleReader((payload) =>
    theirs.write(encodeDatagram(Buffer.concat([Buffer.from(`${name}:`), payload]))),
  );
  theirs.on('data', (piece: Buffer) => reader.read(piece));
  theirs.on('end', () => theirs.end());
  return ours;
}

describe('datagrams at the address of an application', () => {
  it('have one way for each port of a program, and answers go back to who asked', async () => {
    const asked: Endpoint[] = [];
    const { program, place } = await lab((endpoint) => {
      asked.push(endpoint);
      return Promise.resolve(echoing(`way ${asked.length}`));
    });
    const [one, two] = [program(), program()];
    await one.say('a');
    expect(await one.heard()).toBe('way 1:a');
    await two.say('b');
    expect(await two.heard()).toBe('way 2:b');
    await one.say('c');
    expect(await one.heard()).toBe('way 1:c');
    expect(asked).toMatchObject([place, place]);
  });

  it('wait in their order while the way is opened, not without bound', async () => {
    const opening = Promise.withResolvers<Duplex | undefined>();
    let asked = 0;
    const { program } = await lab(() =>
      ++asked === 1 ? opening.promise : Promise.resolve(echoing('other')),
    );
    const [one, two] = [program(), program()];
    const heard: string[] = [];
    one.socket.on('message', (message) => heard.push(message.toString()));
    for (let index = 0; index < 40; index += 1) await one.say(String(index));
    // What comes to one place is read in its order: all of the above, then this.
    await two.say('x');
    expect(await two.heard()).toBe('other:x');
    opening.resolve(echoing('way'));
    await expect.poll(() => heard.length).toBe(16);
    await one.say('last');
    await expect.poll(() => heard.length).toBe(17);
    expect(heard).toEqual([...Array.from({ length: 16 }, (_, index) => `way:${index}`), 'way:last']);
  });

  it('that are refused are not asked for again until a pause is over', async () => {
    const pause = Promise.withResolvers<void>();
    let asked = 0;
    const { program } = await lab(
      () => {
        asked += 1;
        return Promise.resolve(asked === 1 ? undefined : echoing('way'));
      },
      { sleep: () => pause.promise },
    );
    const [one, two] = [program(), program()];
    for (const text of ['a', 'b', 'c', 'd']) await one.say(text);
    await two.say('x');
    expect(await two.heard()).toBe('way:x');
    expect(asked).toBe(2);
    pause.resolve();
    const answer = one.heard();
    const again = setInterval(() => void one.say('e'), 5);
    expect(await answer).toBe('way:e');
    clearInterval(again);
    expect(asked).toBe(3);
  });

  it('have a new way after theirs has ended, and none beyond the bound', async () => {
    const ways: Duplex[] = [];
    const { program } = await lab(
      () => {
        const way = echoing(`way ${ways.length}`);
        ways.push(way);
        return Promise.resolve(way);
      },
      { maxFlows: 1 },
    );
    const [one, two] = [program(), program()];
    await one.say('a');
    expect(await one.heard()).toBe('way 0:a');
    await two.say('b');
    await one.say('c');
    expect(await one.heard()).toBe('way 0:c');
    expect(ways).toHaveLength(1);
    const closed = once(ways[0] as Duplex, 'close');
    ways[0]?.destroy();
    await closed;
    const answer = one.heard();
    const again = setInterval(() => void one.say('d'), 5);
    expect(await answer).toBe('way 1:d');
    clearInterval(again);
  });

  it('say which place could not be opened', async () => {
    const { listeners, place } = await lab(() => Promise.resolve(undefined));
    const other = createSocket('udp4');
    closing.push(() => other.close());
    const port = await findFreePort('127.0.0.1');
    other.bind({ address: place.address, port });
    await once(other, 'listening');
    await listeners.sync([place, { ...place, port }]);
    expect([listeners.open(), listeners.closed()]).toEqual([[place], [{ ...place, port, problem: 'taken' }]]);
  });
});
