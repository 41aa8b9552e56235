import { once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { findPortal } from '../../agent/portal/find-portal.ts';
import { makeOrganization } from '../lab/pki.ts';
import { startCaptiveNetwork } from './lab/captive-network.ts';
import type { CaptiveNetwork } from './lab/captive-network.ts';
import { startControlServer } from './lab/control-server.ts';
import { ask } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { World } from './lab/world.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close();
});

async function checkIn(): Promise<{ world: World; hotel: CaptiveNetwork }> {
  const hotel = await startCaptiveNetwork();
  closers.push(() => hotel.close());
  let target = 0;
  const control = `https://127.0.0.1:${await hotel.lead(() => target)}`;
  const world = await makeWorld({ settings: { control, portalProbe: hotel.probeUrl } });
  closers.push(() => world.close());
  target = world.control.port;
  const { config, port } = {
    config: world.control.config,
    port: Number(world.gateway.address.split(':')[1]),
  };
  const addresses = [`127.0.0.1:${await hotel.lead(() => port)}`];
  world.control.config = { ...config, gateway: { ...config.gateway, addresses } };
  return { world, hotel };
}

it('shows the sign-in page of a hotel as what is in the way, and connects by itself once that is done', async () => {
  const { world, hotel } = await checkIn();
  const told: string[] = [];
  const laptop = await world.startLaptop({ onPortal: ({ url }) => told.push(url) });
  await laptop.reach('control-foreign');
  const status = await laptop.status();
  expect(status).toMatchObject({ state: 'captive-portal', portal: { url: hotel.portalUrl } });
  expect(told).toEqual([hotel.portalUrl]);
  const why = JSON.parse((await ask(laptop.port, '/why/grants')).body) as Record<string, unknown>;
  expect(why).toMatchObject({ ok: false, failed: 'captive-portal' });
  expect(JSON.stringify(why)).toContain(hotel.portalUrl);
  // Nothing of ours was said to whoever answered.
  expect([hotel.received(), world.control.requests, world.gateway.requests]).toEqual([0, [], []]);

  hotel.isCaptive = false;
  await laptop.reach('connected');
  const after = await laptop.status();
  expect([after.state, after.portal]).toEqual(['connected', undefined]);
});

it('says that the gateway is away, and not that there is a portal, where there is none', async () => {
  const { world, hotel } = await checkIn();
  hotel.isCaptive = false;
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  await world.gateway.crash();
  await world.control.close();
  const status = await laptop.status();
  expect([status.state === 'captive-portal', status.portal]).toEqual([false, undefined]);
});

async function serve(listener: RequestListener): Promise<string> {
  const server: Server = createServer(listener);
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

const redirect =
  (location: string): RequestListener =>
  (_, response) =>
    response.writeHead(302, { location }).end();
const status =
  (code: number, body = ''): RequestListener =>
  (_, response) =>
    response.writeHead(code).end(body);

it.each([
  [
    'a redirect to another host',
    redirect('http://login.hotel.example/a?b'),
    'http://login.hotel.example/a?b',
  ],
  [
    'a redirect to another host by https',
    redirect('https://login.hotel.example'),
    'https://login.hotel.example/',
  ],
  ['511', status(511, 'sign in'), 'itself'],
  ['a page where there should be none', status(200, '<html>'), 'itself'],
  ['204, as it should be', status(204), undefined],
  ['a redirect to its own https', redirect('https://127.0.0.1/'), undefined],
  ['a redirect to its own page', redirect('/login'), undefined],
  ['a redirect to a script', redirect('javascript:alert(1)'), undefined],
  ['a redirect to a file', redirect('file:///etc/passwd'), undefined],
  ['a redirect with a name and password in it', redirect('http://ours@login.hotel.example/'), undefined],
  [
    'a redirect to a very long address',
    redirect(`http://login.hotel.example/${'a'.repeat(2500)}`),
    undefined,
  ],
  ['a redirect to nowhere', (_, response) => response.writeHead(302).end(), undefined],
  ['an error', status(503, 'away'), undefined],
  [
    'more fields than anybody needs',
    (_, response) => response.writeHead(302, { x: 'y'.repeat(20_000) }).end(),
    undefined,
  ],
  ['a connection that ends', (request) => request.socket.destroy(), undefined],
] as [string, RequestListener, string | undefined][])(
  'takes %s for what it is',
  async (_, listener, expected) => {
    const url = await serve(listener);
    const probe = { control: 'https://127.0.0.1:1', authorityPem: '', url, isEmpty: true };
    const found = await findPortal(probe, new AbortController().signal);
    expect(found?.url).toBe(expected === 'itself' ? url : expected);
  },
);

it('takes a web server at the name of the control plane for a portal only where TLS is answered by another, too', async () => {
  const [organization, other] = await Promise.all([makeOrganization(), makeOrganization()]);
  const control = await startControlServer({ organization });
  closers.push(() => control.close());
  const url = await serve(status(200, 'It works!'));
  const probe = { control: control.url, url, isEmpty: false };
  const { signal } = new AbortController();
  expect(await findPortal({ ...probe, authorityPem: organization.rootPem }, signal)).toBeUndefined();
  expect(await findPortal({ ...probe, authorityPem: other.rootPem }, signal)).toEqual({ url });
});

it('gives a network up that does not answer', async () => {
  const url = await serve(() => undefined);
  const probe = { control: 'https://127.0.0.1:1', authorityPem: '', url, isEmpty: true };
  expect(await findPortal(probe, AbortSignal.timeout(50))).toBeUndefined();
});
