import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import type { Server, Socket } from 'node:net';
import { Resolver } from 'node:dns/promises';
import { encode } from 'dns-packet';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { forgetDevice } from '../../agent/state/forget-device.ts';
import { systemClock } from '../../agent/clock.ts';
import { findFreePort } from '../../src/control/free-port.ts';
import type { RefusalCode } from '../../src/contract/refusals.ts';
import { ask, curl, readAll, readUntil } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { Laptop, World } from './lab/world.ts';

let world: World;
let port: number;
const [ledger, grants] = ['ledger.apps.example.org', 'grants.apps.example.org'];

beforeEach(async () => {
  // An address of this suite's own, and a free port: nobody's resolver is in the way.
  world = await makeWorld({ settings: { intercept: 'loopback', resolver: '127.64.0.77:0' } });
  port = await findFreePort('127.0.0.1');
  publish({ [ledger]: [port] });
});
afterEach(() => world.close());

function publish(ports: Readonly<Record<string, number[]>>, protocol = 'tcp'): void {
  const apps = Object.entries(ports).map(([host, open]) => ({
    name: host.split('.')[0] ?? '',
    host,
    protocol,
    ports: open,
  }));
  world.control.config = { ...world.control.config, apps };
}

/** The laptop, once it listens for the applications that there are. */
async function start(): Promise<{
  laptop: Laptop;
  resolve: (name: string, type?: string) => Promise<unknown>;
}> {
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  const { intercept } = await laptop.status();
  const resolver = new Resolver({ timeout: 2000, tries: 1 });
  resolver.setServers([intercept?.resolver ?? '']);
  return {
    laptop,
    resolve: async (name, type = 'A') => {
      try {
        return await resolver.resolve(name, type as 'A');
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      }
    },
  };
}

/** Asks for the status until it says so; each asking reads the configuration anew. */
async function until(
  laptop: Laptop,
  fits: (found: NonNullable<Status>) => boolean,
): Promise<NonNullable<Status>> {
  for (;;) {
    const { intercept } = await laptop.status();
    if (intercept !== undefined && fits(intercept)) return intercept;
  }
}
type Status = Awaited<ReturnType<Laptop['status']>>['intercept'];

const dial = (address: string, to: number): Socket => {
  const socket = connect({ host: address, port: to, allowHalfOpen: true });
  socket.on('error', () => undefined);
  return socket;
};

it('answers the name of an application with an address where the application answers, speaking first', async () => {
  const upstream = await world.serve((socket) => {
    socket.write('SSH-2.0-banner\r\n');
    void readAll(socket).then((text) => socket.end(`got ${text.length}`));
  });
  world.gateway.tunnels.set(`${ledger}:${port}`, upstream);
  const { laptop, resolve } = await start();
  const { hosts, problems } = await until(laptop, (found) => found.hosts[0]?.ports.length === 1);
  const [address = ''] = (await resolve(ledger)) as string[];
  expect([hosts, problems]).toEqual([[{ host: ledger, address, ports: [port] }], []]);
  expect(address).toMatch(/^127\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\./);
  const socket = dial(address, port);
  const banner = await readUntil(socket, '\r\n');
  socket.end('x'.repeat(1_000_000));
  expect([banner, await readAll(socket)]).toEqual(['SSH-2.0-banner\r\n', 'got 1000000']);
});

it('answers no other name, and nothing but the address of those', async () => {
  const { laptop, resolve } = await start();
  await until(laptop, (found) => found.hosts[0]?.ports.length === 1);
  expect(
    await Promise.all(['example.com', `x.${ledger}`, 'apps.example.org'].map((name) => resolve(name))),
  ).toEqual(['EREFUSED', 'EREFUSED', 'EREFUSED']);
  expect(await resolve(ledger, 'AAAA')).toBe('ENODATA');
});

it('answers by TCP as by UDP, several questions on a connection, and lets go of who sends too much', async () => {
  const { laptop } = await start();
  const { resolver } = await until(laptop, (found) => found.hosts[0]?.ports.length === 1);
  const [address = '', to = ''] = resolver.split(':');
  const question = encode({ type: 'query', id: 7, questions: [{ type: 'A', name: ledger }] });
  const message = Buffer.concat([Buffer.from([0, question.length]), question]);
  const socket = dial(address, Number(to));
  for (const byte of Buffer.concat([message, message])) socket.write(Buffer.from([byte]));
  let both = Buffer.alloc(0);
  while (both.length < 2 || both.length < 2 * (2 + both.readUInt16BE(0)))
    both = Buffer.concat([both, ((await once(socket, 'data')) as [Buffer])[0]]);
  const half = both.length / 2;
  expect(both.subarray(0, half)).toEqual(both.subarray(half));
  socket.write(Buffer.from([0xff, 0xff]));
  await readAll(socket).catch(() => undefined);

  const udp = createSocket('udp4');
  // A response gets no answer, garbage a refusal, and neither keeps the next question from its answer.
  const response = Buffer.from(question);
  response[2] = 0x81;
  for (const datagram of [response, Buffer.alloc(3), Buffer.alloc(60_000), question])
    udp.send(datagram, Number(to), address);
  const codes: number[] = [];
  for await (const [datagram] of onMessages(udp)) {
    codes.push((datagram[3] ?? 0) & 15);
    if (codes.length === 2) break;
  }
  udp.close();
  expect(codes).toEqual([1, 0]);
});

async function* onMessages(socket: ReturnType<typeof createSocket>): AsyncGenerator<[Buffer]> {
  for (;;) yield (await once(socket, 'message')) as [Buffer];
}

it('opens and closes with the applications, leaves what is open to the gateway, and moves no address', async () => {
  world.gateway.tunnels.set(`${ledger}:${port}`, await world.serve((socket) => socket.pipe(socket)));
  const { laptop, resolve } = await start();
  await until(laptop, (found) => found.hosts[0]?.ports.length === 1);
  const [address = ''] = (await resolve(ledger)) as string[];
  const socket = dial(address, port);
  socket.write('one.');
  await readUntil(socket, 'one.');

  publish({ [grants]: [port] });
  await until(laptop, (found) => found.hosts[0]?.host === grants && found.hosts[0].ports.length === 1);
  const [another = ''] = (await resolve(grants)) as string[];
  expect([await resolve(ledger), another === address]).toEqual(['EREFUSED', false]);
  await expect(once(dial(address, port), 'connect')).rejects.toThrow('ECONNREFUSED');
  socket.write('two.');
  await readUntil(socket, 'two.');
  socket.destroy();

  publish({ [grants]: [port], [ledger]: [port] });
  await until(
    laptop,
    (found) => found.hosts.length === 2 && found.hosts.every(({ ports }) => ports.length === 1),
  );
  expect(await resolve(ledger)).toEqual([address]);
});

it('keeps addresses across a restart, closes everything when it stops, and forgets them with the device', async () => {
  const first = await start();
  const { hosts } = await until(first.laptop, (found) => found.hosts[0]?.ports.length === 1);
  await first.laptop.stop();
  const address = hosts[0]?.address ?? '';
  await expect(once(dial(address, port), 'connect')).rejects.toThrow('ECONNREFUSED');
  expect(((await stat(world.paths.addresses)).mode & 0o777).toString(8)).toBe('600');
  // As if another host's hash had come first.
  const file = await readFile(world.paths.addresses, 'utf8');
  await writeFile(world.paths.addresses, file.replace(address, '127.90.1.2'));
  const second = await start();
  const kept = await until(second.laptop, (found) => found.hosts[0]?.ports.length === 1);
  expect(kept.hosts[0]?.address).toBe('127.90.1.2');
  await second.laptop.stop();
  await writeFile(world.paths.addresses, '{"version":1,"addresses":{"a":"10.0.0.1"}}');
  const third = await start();
  expect((await until(third.laptop, (found) => found.hosts[0]?.ports.length === 1)).hosts[0]?.address).toBe(
    address,
  );
  await third.laptop.stop();
  await forgetDevice(world.paths.directory, systemClock, async () => undefined);
  await expect(stat(world.paths.addresses)).rejects.toThrow('ENOENT');
});

const listenAt = async (host: string, at: number): Promise<Server> => {
  const server = createServer((socket) => socket.end('somebody else'));
  server.listen(at, host);
  await once(server, 'listening');
  return server;
};

it('leads no program to another one that has the port for all addresses, says so, and mends itself', async () => {
  const other = await listenAt('0.0.0.0', port);
  const { laptop, resolve } = await start();
  const { problems } = await until(laptop, (found) => found.problems.length > 0);
  expect(problems).toEqual([expect.objectContaining({ host: ledger, problem: 'taken' })]);
  expect(await resolve(ledger)).toBe('ESERVFAIL');
  const closed = once(other, 'close');
  other.close();
  await closed;
  // The question finds the port free, and the next one has its answer.
  while (!Array.isArray(await resolve(ledger)));
  expect((await laptop.status()).intercept).toMatchObject({ problems: [], hosts: [{ ports: [port] }] });
});

it('goes on without its resolver where another has the port, and takes it when it is free', async () => {
  const other = await listenAt('127.64.0.78', 0);
  const { port: taken } = other.address() as { port: number };
  await world.close();
  world = await makeWorld({ settings: { intercept: 'loopback', resolver: `127.64.0.78:${taken}` } });
  publish({ [ledger]: [port] });
  const { laptop } = await start();
  const { problems } = await until(laptop, (found) => found.hosts[0]?.ports.length === 1);
  expect(problems).toEqual([{ place: `127.64.0.78:${taken}`, problem: 'taken' }]);
  other.close();
  await until(laptop, (found) => found.problems.length === 0);
});

/** A program that waits for the other side, or speaks first; refused by the gateway. */
async function refused(protocol: string, code: RefusalCode = 'denied') {
  publish({ [grants]: [port] }, protocol);
  const { laptop, resolve } = await start();
  await until(laptop, (found) => found.hosts[0]?.ports.length === 1);
  const [address = ''] = (await resolve(grants)) as string[];
  world.gateway.refuseAll = code;
  return { laptop, address };
}
const pageOf = async (laptop: Laptop): Promise<string> => {
  world.gateway.refuseAll = undefined;
  return (await ask(laptop.port, '/', { headers: { accept: 'text/html' } })).body;
};
const shownRefusal = new RegExp(`Access denied[^]*${grants}[^]*<code>01HZY</code>`);

it.each(['tcp', 'ssh', 'postgres'])(
  'resets a program where the gateway refuses %s, and shows why on its page with the id of the flow',
  async (protocol) => {
    const { laptop, address } = await refused(protocol);
    await expect(readAll(dial(address, port))).rejects.toThrow(/ECONNRESET|closed/);
    expect(await pageOf(laptop)).toMatch(shownRefusal);
    expect((await laptop.status()).lastRefusal).toMatchObject({ code: 'denied' });
  },
);

it('answers a plain request to an HTTP application with the page that says why, or the problem', async () => {
  const { laptop, address } = await refused('http');
  const at = ['--resolve', `${grants}:${port}:${address}`, '-i', `http://${grants}:${port}/`];
  const page = await curl(['-H', 'Accept: text/html', '-H', 'Accept-Language: fr', ...at]);
  expect(page.output).toMatch(/^HTTP\/1\.1 403 /);
  expect(page.output).toMatch(/content-security-policy: default-src 'none'[^]*<html lang="fr">[^]*01HZY/i);
  const problem = await curl(at);
  expect(problem.output).toMatch(
    /content-type: application\/problem\+json[^]*"code":"denied"[^]*"flow_id":"01HZY"/i,
  );
  expect((await curl(['-I', ...at])).output).toMatch(/^HTTP\/1\.1 403 /);
  expect(await pageOf(laptop)).toMatch(shownRefusal);
});

it.each([
  ['denied', 'access denied'],
  ['upstream-unreachable', 'internal error'],
] as const)('ends the handshake of TLS with an alert where the gateway says %s', async (code, said) => {
  const { laptop, address } = await refused('http', code);
  const at = ['--resolve', `${grants}:${port}:${address}`, `https://${grants}:${port}/`];
  const { code: exit, output } = await curl(['-sS', ...at]);
  expect([exit, output]).toEqual([35, expect.stringContaining(`alert ${said}`)]);
  expect(await pageOf(laptop)).toContain('<code>01HZY</code>');
});

it('says the same of TLS applications, and resets what is no TLS there', async () => {
  const { address } = await refused('tls');
  const socket = dial(address, port);
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n');
  await expect(readAll(socket)).rejects.toThrow(/ECONNRESET|closed/);
  const alerted = dial(address, port);
  alerted.write(Buffer.from([22, 3, 1, 0, 5, 1, 0, 0, 1, 0]));
  expect(Buffer.from(await readAll(alerted), 'latin1')).toEqual(Buffer.from([21, 3, 3, 0, 2, 2, 49]));
});

it('shows on its page what the agent itself refused, too, each application by itself', async () => {
  publish({ [grants]: [port], [ledger]: [port] }, 'http');
  const { laptop, resolve } = await start();
  const { hosts } = await until(laptop, (found) => found.hosts.every(({ ports }) => ports.length === 1));
  await world.gateway.crash();
  await laptop.reach('gateway-unreachable');
  for (const { host, address } of hosts) {
    const { output } = await curl(['--resolve', `${host}:${port}:${address}`, `http://${host}:${port}/`]);
    expect(output).toContain('"code":"agent-not-connected"');
  }
  expect(await resolve(grants)).toEqual([hosts.find(({ host }) => host === grants)?.address]);
  const page = (await ask(laptop.port, '/', { headers: { accept: 'text/html' } })).body;
  for (const host of [grants, ledger]) expect(page).toMatch(new RegExp(`<small>${host}</small>`));
});

it('knows its addresses in the proxy too, for programs that resolve names themselves', async () => {
  const upstream = await world.serve((socket) => {
    void readUntil(socket, '\r\n\r\n').then(() =>
      socket.end('HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\nledger'),
    );
  });
  world.gateway.tunnels.set(`${ledger}:${port}`, upstream);
  const { laptop } = await start();
  const { hosts } = await until(laptop, (found) => found.hosts[0]?.ports.length === 1);
  const at = (address: string): string[] => [
    '--proxy',
    `socks5://127.0.0.1:${laptop.port}`,
    '--resolve',
    `${ledger}:${port}:${address}`,
    `http://${ledger}:${port}/`,
  ];
  expect(await curl(at(hosts[0]?.address ?? ''))).toEqual({ code: 0, output: 'ledger' });
  expect((await curl(at('127.90.9.9'))).code).toBe(97);
});

it('opens for an application of datagrams no port for connections', async () => {
  publish({ [ledger]: [port] }, 'udp');
  const { laptop, resolve } = await start();
  await until(laptop, (found) => found.hosts[0]?.ports.length === 1);
  const [address = ''] = (await resolve(ledger)) as string[];
  const socket = dial(address, port);
  const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNREFUSED');
});

it('tells the helper which names to lead here while it runs, and none when it has stopped', async () => {
  const above = ['example.org', 'zone-b.example.net'];
  publish(Object.fromEntries([ledger, ...above].map((host) => [host, [port]])));
  const { gateway } = world.control.config;
  const far = { ...gateway, zone: 'b', addresses: ['gateway.zone-b.example.net:8443'] };
  world.control.config = { ...world.control.config, gateways: [gateway, far] };
  const { laptop, resolve } = await start();
  const { problems, resolver } = await until(laptop, (found) =>
    found.hosts.every(({ ports }) => ports.length === 1),
  );
  // They would take a gateway's own name with them, and the agent would look for that at itself.
  expect(problems).toEqual(above.map((host) => ({ place: host, host, problem: 'above-own' })));
  const [address] = (await resolve(ledger)) as string[];
  const asked = async (): Promise<unknown> =>
    JSON.parse(await readFile(world.paths.names, 'utf8')) as unknown;
  expect(await asked()).toEqual({ version: 1, resolver, hosts: [{ host: ledger, address }] });
  await laptop.stop();
  expect(await asked()).toEqual({ version: 1, resolver, hosts: [] });
});
