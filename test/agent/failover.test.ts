import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import type { ServerHttp2Stream } from 'node:http2';
import { afterEach, expect, it } from 'vitest';
import { statusRows } from '../../agent/status-rows.ts';
import { makeOrganization } from '../lab/pki.ts';
import type { GatewayServer } from './lab/gateway-server.ts';
import { ask, connectThrough, readUntil } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { Laptop, Relay, World } from './lab/world.ts';

let world: World;
afterEach(() => world.close());

const grants = 'grants.apps.example.org';
const ledger = 'ledger.apps.example.org:5432';
const url = `http://${grants}/`;

/** Two gateways in two zones, and a laptop with a session to each: to `first` through a way that can fall silent. */
async function twoZones(): Promise<{
  laptop: Laptop;
  way: Relay;
  first: GatewayServer;
  second: GatewayServer;
}> {
  world = await makeWorld();
  const second = await world.startGateway();
  const way = await world.relay(world.gateway.address);
  world.useGateways([
    { zone: 'a', address: way.address },
    { zone: 'b', address: second.address },
  ]);
  const port = await world.serve((socket) => socket.pipe(socket));
  for (const [name, gateway] of [
    ['first', world.gateway],
    ['second', second],
  ] as const) {
    gateway.tunnels.set(ledger, port);
    gateway.apps.set(grants, (stream, headers) => {
      stream.respond({ ':status': 200 });
      stream.end(`${String(headers[':method'])} at ${name}`);
    });
  }
  const laptop = await world.startLaptop({ random: () => 0 });
  await laptop.reach('connected');
  await second.probe();
  await whenStandby(laptop);
  return { laptop, way, first: world.gateway, second };
}

/** Asks as a person does who looks again, until the standby is there. */
async function whenStandby(laptop: Laptop): Promise<void> {
  while (laptop.view().standby === undefined) await laptop.status();
}

/** An application that never answers: resolves with each stream that reaches it. */
function silentApp(gateway: GatewayServer): { reached(): Promise<ServerHttp2Stream> } {
  const arrival = Promise.withResolvers<ServerHttp2Stream>();
  gateway.apps.set(grants, (stream) => arrival.resolve(stream));
  return { reached: () => arrival.promise };
}

it('holds a session ready in a second zone, and shows both tokens the gateways ask for', async () => {
  const { laptop, way, second } = await twoZones();
  expect(laptop.view()).toMatchObject({
    state: 'connected',
    gateway: { zone: 'a', address: way.address },
    standby: { zone: 'b', address: second.address },
  });
  expect((await ask(laptop.port, url)).body).toBe('GET at first');
  expect(second.requests.filter(({ headers }) => headers[':authority'] === grants)).toEqual([]);
});

it('says in status, why and on its page which gateway carries, in which zone, and what would take over', async () => {
  const { laptop, way, second } = await twoZones();
  world.gateway.probes.set('grants', {
    status: 200,
    body: { app: 'grants', allowed: true, connected: true },
  });
  const name = `gateway.${world.organization.domain}`;
  const [first, other] = [`${name} ${way.address}, zone a`, `${name} ${second.address}, zone b`];
  const load = async (path: string, accept = 'text/html'): Promise<string> =>
    (await ask(laptop.port, path, { headers: { accept } })).body;
  const rows = Object.fromEntries(statusRows(await laptop.status(), 'en'));
  expect([rows['Gateway'], rows['Standby']]).toEqual([expect.stringContaining(first), other]);
  const page = await load('/');
  expect(page).toContain(`Through ${first}<br>To take over if that is lost: ${other}`);
  expect(await load('/why/grants', 'application/json')).toMatch(
    new RegExp(`${first} answers \\(\\d+ ms\\); to take over: ${other}`),
  );

  await second.crash();
  while ((await laptop.status()).standby !== undefined);
  const alone = await load('/');
  expect(alone).toContain(`Through ${first}<br>To take over if that is lost: no second gateway is ready`);
  expect(alone).not.toContain('zone b');
  await world.gateway.crash();
  expect(await load('/')).not.toContain('zone a');
});

it('holds none where there is one gateway only', async () => {
  world = await makeWorld();
  const laptop = await world.startLaptop({ random: () => 0 });
  await laptop.reach('connected');
  await laptop.status();
  expect([laptop.view().standby, world.gateway.sessions.length]).toEqual([undefined, 1]);
});

it.each(['crash', 'silence'] as const)(
  'carries new flows on the standby after the %s of a gateway, without a new handshake',
  async (death) => {
    const { laptop, way, first, second } = await twoZones();
    if (death === 'crash') await first.crash();
    else way.silence();
    expect((await ask(laptop.port, url)).body).toBe('GET at second');
    const { socket, status } = await connectThrough(laptop.port, ledger);
    socket.write('hello');
    expect([status, await readUntil(socket, 'hello')]).toEqual([200, 'hello']);
    expect([second.sessions.length, laptop.view()]).toEqual([
      1,
      expect.objectContaining({ state: 'connected', gateway: expect.objectContaining({ zone: 'b' }) }),
    ]);
  },
);

it.each(['GET', 'DELETE', 'PUT', 'OPTIONS'] as const)(
  'repeats a %s that was not answered when its gateway died',
  async (method) => {
    const { laptop, first, second } = await twoZones();
    const app = silentApp(first);
    const bodies: string[] = [];
    second.apps.set(grants, (stream) => {
      stream.on('data', (chunk: Buffer) => bodies.push(chunk.toString()));
      stream.once('end', () => {
        stream.respond({ ':status': 200 });
        stream.end('second');
      });
    });
    const isUpload = method === 'PUT';
    const answer = ask(laptop.port, url, {
      method,
      ...(isUpload ? { body: 'all of it', headers: { 'content-length': '9' } } : {}),
    });
    await app.reached();
    await first.crash();
    expect([(await answer).body, bodies.join('')]).toEqual(['second', isUpload ? 'all of it' : '']);
  },
);

it('repeats a request that waits on a silent gateway, and keeps a tunnel there for when it speaks again', async () => {
  const { laptop, way, first } = await twoZones();
  const tunnel = await connectThrough(laptop.port, ledger);
  const app = silentApp(first);
  const answer = ask(laptop.port, url);
  await app.reached();
  way.silence();
  expect((await answer).body).toBe('GET at second');
  tunnel.socket.write('still there');
  way.speak();
  expect(await readUntil(tunnel.socket, 'still there')).toBe('still there');
});

it('refuses a POST that was not answered plainly, since it may have been carried out', async () => {
  const { laptop, first, second } = await twoZones();
  const app = silentApp(first);
  const answer = ask(laptop.port, url, { method: 'POST', body: 'pay', headers: { 'content-length': '3' } });
  await app.reached();
  await first.crash();
  const { status, body } = await answer;
  expect([status, JSON.parse(body)]).toEqual([502, expect.objectContaining({ code: 'request-interrupted' })]);
  expect(second.requests.filter(({ headers }) => headers[':method'] === 'POST')).toEqual([]);
});

it('repeats a POST that the gateway says it has not looked at', async () => {
  const { laptop, first } = await twoZones();
  let refusals = 0;
  first.apps.set(grants, (stream) => {
    refusals += 1;
    if (refusals === 1) return stream.close(7); // REFUSED_STREAM
    stream.respond({ ':status': 201 });
    stream.end('once');
  });
  const options = { method: 'POST', body: 'pay', headers: { 'content-length': '3' } };
  expect([(await ask(laptop.port, url, options)).body, refusals]).toEqual(['once', 2]);
});

it('breaks off an answer that had begun, rather than begin another', async () => {
  const { laptop, first, second } = await twoZones();
  first.apps.set(grants, (stream) => {
    stream.respond({ ':status': 200, 'content-length': '10' });
    stream.write('half');
  });
  const outgoing = httpRequest({ port: laptop.port, path: url, headers: { host: grants } });
  outgoing.end();
  const [response] = (await once(outgoing, 'response')) as [NodeJS.ReadableStream];
  const [chunk] = (await once(response, 'data')) as [Buffer];
  await first.crash();
  const [error] = (await once(response, 'error')) as [Error];
  expect([chunk.toString(), error.message]).toEqual(['half', 'aborted']);
  expect(second.requests.filter(({ headers }) => headers[':authority'] === grants)).toEqual([]);
});

it('moves new flows to the standby when a gateway says that it is leaving, and lets the others end', async () => {
  const { laptop, first } = await twoZones();
  const tunnel = await connectThrough(laptop.port, ledger);
  (await first.session(0)).goaway();
  while (laptop.view().gateway?.zone !== 'b') await laptop.status();
  expect((await ask(laptop.port, url)).body).toBe('GET at second');
  tunnel.socket.write('old');
  expect(await readUntil(tunnel.socket, 'old')).toBe('old');
});

it('passes over a gateway whose certificate is of another authority', async () => {
  world = await makeWorld();
  const stranger = await world.startGateway({ organization: await makeOrganization() });
  world.useGateways([
    { zone: 'a', address: stranger.address },
    { zone: 'b', address: world.gateway.address },
  ]);
  const laptop = await world.startLaptop({ random: () => 0 });
  await laptop.reach('connected');
  expect(laptop.view().gateway).toMatchObject({ zone: 'b' });
  expect(stranger.requests).toEqual([]);
});
