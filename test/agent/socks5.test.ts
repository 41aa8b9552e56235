import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { assert, property, uint8Array } from 'fast-check';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { refusals } from '../../src/contract/refusals.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { parseSocksDatagram } from '../../agent/proxy/socks5/messages.ts';
import { reply, replyOfRefusal } from '../../agent/proxy/socks5/replies.ts';
import { ask, curl, readAll, readUntil } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { Laptop, World } from './lab/world.ts';

let world: World;
let laptop: Laptop;

beforeAll(async () => {
  world = await makeWorld();
  laptop = await world.startLaptop({});
  await laptop.reach('connected');
});
afterAll(() => world.close());
beforeEach(() => {
  world.gateway.apps.clear();
  world.gateway.tunnels.clear();
});

const ledger = 'ledger.apps.example.org:5432';
const greeting = Buffer.from([5, 1, 0]);

function request(target: string, { command = 1, type = 3, reserved = 0 } = {}): Buffer {
  const at = target.lastIndexOf(':');
  const [host, port] = [target.slice(0, at), Number(target.slice(at + 1))];
  const address =
    type === 1
      ? Buffer.from(host.split('.').map(Number))
      : type === 4
        ? Buffer.from(host, 'hex')
        : Buffer.concat([Buffer.from([host.length]), Buffer.from(host, 'latin1')]);
  return Buffer.concat([
    Buffer.from([5, command, reserved, type]),
    address,
    Buffer.from([port >> 8, port & 255]),
  ]);
}

const dial = (): Socket => {
  const socket = connect({ host: '127.0.0.1', port: laptop.port, allowHalfOpen: true });
  socket.on('error', () => undefined);
  return socket;
};

/** At least so many bytes, then what came with them. */
async function take(socket: Socket, count: number): Promise<Buffer> {
  let received = Buffer.alloc(0);
  while (received.length < count) {
    const data = once(socket, 'data') as Promise<[Buffer]>;
    socket.resume();
    received = Buffer.concat([received, (await data)[0]]);
    socket.pause();
  }
  return received;
}

const everything = async (socket: Socket): Promise<Buffer> =>
  Buffer.concat((await socket.toArray()) as Buffer[]);

it('carries a server-first protocol to an application by name, and the end of each direction by itself', async () => {
  const port = await world.serve((socket) => {
    socket.write('SSH-2.0-banner\r\n');
    void readAll(socket).then((text) => socket.end(`got ${text.length}`));
  });
  world.gateway.tunnels.set(ledger, port);
  const socket = dial();
  socket.write(greeting);
  expect(await take(socket, 2)).toEqual(Buffer.from([5, 0]));
  socket.write(request('LEDGER.apps.example.org:5432'));
  const answered = await take(socket, 10);
  expect(answered.subarray(0, 10)).toEqual(Buffer.from([5, 0, 0, 1, 0, 0, 0, 0, 0, 0]));
  const banner = await readUntil(socket, '\r\n', answered.subarray(10).toString());
  socket.end('x'.repeat(1_000_000));
  expect([banner, await readAll(socket)]).toEqual(['SSH-2.0-banner\r\n', 'got 1000000']);
});

it('reads messages that come byte by byte, and passes on what came right behind them', async () => {
  world.gateway.tunnels.set(ledger, await world.serve((socket) => socket.pipe(socket)));
  const slow = dial().setNoDelay(true);
  const bytes = Buffer.concat([greeting, request(ledger)]);
  for (const byte of bytes)
    await new Promise<void>((done) => slow.write(Buffer.from([byte]), () => setImmediate(done)));
  slow.write('slow.');
  expect((await take(slow, 12 + 5)).toString('latin1').slice(12)).toBe('slow.');
  slow.destroy();

  const eager = dial();
  eager.write(Buffer.concat([bytes, Buffer.from('early.')]));
  expect((await take(eager, 12 + 6)).toString('latin1').slice(12)).toBe('early.');
  eager.destroy();
});

const asked = Buffer.from([5, 0]);
const answerOf = (code: number): Buffer => Buffer.from([5, code, 0, 1, 0, 0, 0, 0, 0, 0]);

it.each([
  ['a host that is no application', request('example.com:443'), answerOf(reply.hostUnreachable)],
  ['a host below an application', request('x.ledger.apps.example.org:5432'), answerOf(reply.hostUnreachable)],
  ['a number of this machine', request('127.0.0.1:22', { type: 1 }), answerOf(reply.hostUnreachable)],
  ['the same as a name', request('127.0.0.1:22'), answerOf(reply.hostUnreachable)],
  ['a number of IPv6', request(`${'0'.repeat(31)}1:22`, { type: 4 }), answerOf(reply.hostUnreachable)],
  ['BIND', request(ledger, { command: 2 }), answerOf(reply.commandNotSupported)],
  ['a fourth command', request(ledger, { command: 4 }), answerOf(reply.commandNotSupported)],
  ['UDP ASSOCIATE with a malformed name', request('a b:0', { command: 3 }), answerOf(reply.generalFailure)],
  ['an unknown type of address', request(ledger, { type: 2 }), answerOf(reply.addressTypeNotSupported)],
  ['port 0', request('ledger.apps.example.org:0'), answerOf(reply.generalFailure)],
  ['an empty name', request(':80'), answerOf(reply.generalFailure)],
  ['a name with a line break', request('a\r\nb:80'), answerOf(reply.generalFailure)],
  ['a name beyond ASCII', request('\u00e4.example:80'), answerOf(reply.generalFailure)],
  ['a reserved byte', request(ledger, { reserved: 1 }), answerOf(reply.generalFailure)],
  ['HTTP behind a greeting', Buffer.from('GET / HTTP/1.1\r\n\r\n'), answerOf(reply.generalFailure)],
])('refuses %s, closes, and asks no gateway about it', async (_, bytes, expected) => {
  const before = world.gateway.requests.length;
  const socket = dial();
  socket.write(Buffer.concat([greeting, bytes]));
  expect(await everything(socket)).toEqual(Buffer.concat([asked, expected]));
  expect(world.gateway.requests.length).toBe(before);
});

/** An association, its port, and a program's socket that knows it. */
async function associate(from = '0.0.0.0:0') {
  const control = dial();
  control.write(Buffer.concat([greeting, request(from, { command: 3, type: 1 })]));
  const answered = (await take(control, 12)).subarray(2);
  expect(answered.subarray(0, 8)).toEqual(Buffer.from([5, 0, 0, 1, 127, 0, 0, 1]));
  return { control, port: answered.readUInt16BE(8) };
}

const whetherOpen = async (port: number): Promise<boolean> => {
  const probe = createSocket('udp4');
  probe.bind({ address: '127.0.0.1', port, exclusive: true });
  const isOpen = await once(probe, 'listening').then(
    () => false,
    () => true,
  );
  probe.close();
  return isOpen;
};

it('opens a port for datagrams, on loopback alone, that ends with the connection that asked for it', async () => {
  const { control, port } = await associate();
  expect(await whetherOpen(port)).toBe(true);
  control.end();
  await once(control, 'close');
  await expect.poll(() => whetherOpen(port)).toBe(false);
  const another = await associate();
  expect(await whetherOpen(another.port)).toBe(true);
  another.control.resetAndDestroy();
  await expect.poll(() => whetherOpen(another.port)).toBe(false);
});

it('asks no gateway for a datagram to what is no UDP application', async () => {
  const { control, port } = await associate();
  const before = world.gateway.requests.length;
  const program = createSocket('udp4');
  const warnings: Error[] = [];
  const warned = (warning: Error): void => void warnings.push(warning);
  process.on('warning', warned);
  const many = Array.from({ length: 20 }, (_, index) => `example.com:${index + 1}`);
  for (const place of [ledger, 'ledger.apps.example.org:53', 'grants.apps.example.org:80', ...many])
    await new Promise((sent) =>
      program.send(Buffer.concat([request(place).fill(0, 0, 3), Buffer.from('x')]), port, '127.0.0.1', sent),
    );
  // By then what was sent before has been looked at: the same loop serves this.
  await ask(laptop.port, '/status');
  const since = world.gateway.requests.slice(before).map(({ headers }) => headers[':path']);
  expect(since.filter((path) => path?.includes('masque'))).toEqual([]);
  process.off('warning', warned);
  expect(warnings).toEqual([]);
  program.close();
  control.destroy();
});

it('reads datagrams strictly, and drops fragments', () => {
  const good = Buffer.concat([Buffer.from([0, 0, 0]), request(ledger).subarray(3), Buffer.from('payload')]);
  expect(parseSocksDatagram(good)).toEqual({
    target: { host: 'ledger.apps.example.org', port: 5432 },
    header: good.subarray(0, -7),
    payload: Buffer.from('payload'),
  });
  for (const index of [0, 1, 2]) {
    const bad = Buffer.from(good);
    bad[index] = 1;
    expect(parseSocksDatagram(bad)).toBeUndefined();
  }
  const noPort = Buffer.concat([Buffer.from([0, 0, 0]), request('ledger.apps.example.org:0').subarray(3)]);
  expect(parseSocksDatagram(noPort)).toBeUndefined();
  for (let length = 0; length < good.length - 7; length += 1)
    expect(parseSocksDatagram(good.subarray(0, length))).toBeUndefined();
  assert(
    property(uint8Array({ maxLength: 300 }), (bytes) => {
      const parsed = parseSocksDatagram(Buffer.from(bytes));
      if (parsed === undefined) return;
      expect(parsed.header.length + parsed.payload.length).toBe(bytes.length);
      expect(parsed.target.host).toMatch(/^[a-z0-9_.:-]+$/);
    }),
  );
});

it.each([
  ['offers nothing', [5, 0]],
  ['offers a password only', [5, 1, 2]],
])('takes no client that %s', async (_, bytes) => {
  const socket = dial();
  socket.write(Buffer.from(bytes));
  expect(await everything(socket)).toEqual(Buffer.from([5, 255]));
});

it.each([
  ['port-unknown', reply.connectionRefused],
  ['denied', reply.notAllowed],
  ['upstream-unreachable', reply.hostUnreachable],
  ['upstream-timeout', reply.timedOut],
] as const)(
  "says %s of the gateway's in the words of SOCKS, and in its own in status",
  async (code, expected) => {
    world.gateway.refuseAll = code;
    const socket = dial();
    socket.write(Buffer.concat([greeting, request(ledger)]));
    const answered = await everything(socket);
    world.gateway.refuseAll = undefined;
    expect(answered).toEqual(Buffer.concat([asked, answerOf(expected)]));
    expect((await laptop.status()).lastRefusal).toMatchObject({ code, flowId: '01HZY' });
  },
);

it('has a reply for every refusal, and none of them is success', () => {
  const replies = (Object.keys(refusals) as RefusalCode[]).map((code) =>
    replyOfRefusal(code, refusals[code].status),
  );
  expect(replies).not.toContain(reply.succeeded);
  expect([replyOfRefusal('new-code', 403), replyOfRefusal('constructor', 502)]).toEqual([
    reply.notAllowed,
    reply.generalFailure,
  ]);
});

it('lets go of clients that stop before they have asked for anything', async () => {
  const hasty = await makeWorld();
  try {
    const { port } = await hasty.startLaptop({ limits: { headersTimeoutMs: 200 } });
    const beginnings = [[], [5], [5, 1, 0], [5, 1, 0, 5, 1, 0, 3, 200, 97]];
    await Promise.all(
      beginnings.map(async (bytes) => {
        const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
        socket.on('error', () => undefined);
        if (bytes.length > 0) socket.write(Buffer.from(bytes));
        const closed = once(socket, 'close');
        // It never ends by itself: only the agent can close it.
        socket.resume().once('end', () => socket.destroy());
        await closed;
      }),
    );
  } finally {
    await hasty.close();
  }
});

it('serves HTTP on the same port, a body that came with its head included', async () => {
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    let length = 0;
    stream.on('data', (chunk: Buffer) => (length += chunk.length));
    stream.once('end', () => {
      stream.respond({ ':status': 200 });
      stream.end(`got ${length}`);
    });
  });
  const body = 'x'.repeat(3_000_000);
  const { body: answer } = await ask(laptop.port, 'http://grants.apps.example.org/', {
    method: 'POST',
    body,
  });
  expect(answer).toBe('got 3000000');
});

it('resets a tunnel that the client broke off, and the client when the application breaks off', async () => {
  const broken = Promise.withResolvers<string>();
  world.gateway.tunnels.set(
    ledger,
    await world.serve((socket) => {
      socket.once('data', (chunk) => {
        if (chunk.toString() === 'cut me') return void socket.resetAndDestroy();
        void readAll(socket).then(
          () => broken.resolve('whole'),
          () => broken.resolve('broken'),
        );
        socket.write('hello');
      });
    }),
  );
  const open = async (first: string): Promise<Socket> => {
    const socket = dial();
    socket.write(Buffer.concat([greeting, request(ledger), Buffer.from(first)]));
    await take(socket, 12);
    return socket;
  };
  const one = await open('hello');
  one.resetAndDestroy();
  expect(await broken.promise).toBe('broken');
  await expect(readAll(await open('cut me'))).rejects.toThrow(/ECONNRESET|closed/);
});

it('lets curl through, which leaves names to it, and tells it why not', async () => {
  const port = await world.serve((socket) => {
    void readUntil(socket, '\r\n\r\n').then(() =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nledger'),
    );
  });
  world.gateway.tunnels.set(ledger, port);
  const socks = ['--proxy', `socks5h://127.0.0.1:${laptop.port}`];
  expect(await curl([...socks, `http://${ledger}/`])).toEqual({ code: 0, output: 'ledger' });
  const refused = await curl([...socks, 'http://example.com/']);
  expect([refused.code, refused.output]).toEqual([97, expect.stringContaining('(4)')]);
});
