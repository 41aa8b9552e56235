import { readFileSync } from 'node:fs';
import { afterEach, expect, it } from 'vitest';
import { isStranded } from '../../agent/session/network-watch.ts';
import { thumbprintOf } from './lab/control-server.ts';
import { createFakeClock } from './lab/fake-clock.ts';
import type { FakeClock } from './lab/fake-clock.ts';
import { ask } from './lab/proxy-client.ts';
import { makeWorld } from './lab/world.ts';
import type { Laptop, World } from './lab/world.ts';

let world: World;
afterEach(() => world.close());

const tokenPath = '/v1/device/token';
const renewPath = '/v1/device/renew';
const url = 'http://grants.apps.example.org/';
const hour = 3_600_000;
/** How often the network is looked at, how long a session may then take to answer, and the first wait after a loss. */
const [look, sudden, firstWait] = [5000, 2000, 500];
/** Without PINGs in between that would find the same, later. */
const timings = { pingIntervalMs: 1_000_000_000, pingTimeoutMs: 10_000 };

async function connected(clock: FakeClock, addresses?: () => ReadonlySet<string>): Promise<Laptop> {
  const laptop = await world.startLaptop({
    clock,
    timings,
    ...(addresses === undefined ? {} : { addresses }),
  });
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('grants');
  });
  await laptop.reach('connected');
  return laptop;
}

/** One look of the network watch, and what is left of a session that does not answer after it. */
async function lookAround(clock: FakeClock): Promise<void> {
  await clock.whenSleeping(look);
  clock.advance(look);
  await clock.whenSleeping(sudden);
  clock.advance(sudden);
}

it('finds another network within seconds, gives up the sessions that it broke, and connects anew', async () => {
  world = await makeWorld();
  const way = await world.relayGateway();
  const clock = createFakeClock();
  let addresses = new Set(['192.0.2.10']);
  const laptop = await connected(clock, () => addresses);
  way.silence();
  addresses = new Set(['198.51.100.7']);
  await lookAround(clock);
  way.speak();
  await laptop.reach('connecting');
  await clock.whenSleeping(2 * firstWait);
  clock.advance(2 * firstWait);
  await laptop.reach('connected');
  expect((await ask(laptop.port, url)).body).toBe('grants');
});

it('keeps a session that still answers after the network changed', async () => {
  world = await makeWorld();
  const clock = createFakeClock();
  let addresses = new Set(['192.0.2.10']);
  const laptop = await connected(clock, () => addresses);
  addresses = new Set(['192.0.2.10', '198.51.100.7']);
  await clock.whenSleeping(look);
  clock.advance(look);
  await clock.whenSleeping(look);
  await laptop.status();
  clock.advance(sudden);
  expect((await ask(laptop.port, url)).body).toBe('grants');
  expect(world.gateway.sessions).toHaveLength(1);
});

it.each([
  ['an address that is gone', '192.0.2.10', true],
  ['one that is still there', '198.51.100.7', false],
  ['one that is written in other letters', '2001:DB8::7', false],
  ['loopback, which is never gone', '127.0.0.1', false],
  ['none that is known', undefined, false],
] as const)('gives up a session at once or not: %s', async (_, localAddress, isGone) => {
  world = await makeWorld();
  expect(isStranded(localAddress, new Set(['198.51.100.7', '2001:db8::7']))).toBe(isGone);
});

it('tries at once, and not after half a minute, when a network comes back', async () => {
  world = await makeWorld();
  const clock = createFakeClock();
  let addresses = new Set<string>();
  await world.gateway.crash();
  const laptop = await world.startLaptop({ clock, timings, addresses: () => addresses });
  for (const wait of [500, 1000, 2000, 4000, 8000]) {
    await clock.whenSleeping(wait);
    clock.advance(wait);
  }
  await clock.whenSleeping(15_000);
  await world.gateway.restart();
  addresses = new Set(['192.0.2.10']);
  await clock.whenSleeping(look);
  clock.advance(look);
  await laptop.reach('connected');
});

it('wakes up after a night, gives up the session that the gateway forgot, and has a fresh token', async () => {
  world = await makeWorld();
  const way = await world.relayGateway();
  const clock = createFakeClock();
  const laptop = await connected(clock);
  way.silence();
  // Nothing of the laptop runs, and neither does its monotonic clock.
  clock.shiftWall(9 * hour);
  await lookAround(clock);
  way.speak();
  await laptop.reach('connecting');
  await clock.whenSleeping(firstWait);
  clock.advance(firstWait);
  await world.control.request(tokenPath, 2);
  await laptop.reach('connected');
  expect((await ask(laptop.port, url)).body).toBe('grants');
});

it.each([-30 * 24, 30])(
  'stands a clock that is set by %i hours, and refreshes its token in time',
  async (hours) => {
    world = await makeWorld({ certificateAge: 86_400 });
    const clock = createFakeClock();
    const laptop = await connected(clock);
    clock.shiftWall(hours * hour);
    await clock.whenSleeping(look);
    clock.advance(look);
    // What was asked for the jump is answered before this.
    await laptop.status();
    clock.advance(400_000);
    await world.control.request(tokenPath, 2);
    await world.gateway.probe(2);
    expect((await ask(laptop.port, url)).body).toBe('grants');
    expect(world.gateway.sessions).toHaveLength(1);
  },
);

it('says what is the matter with a token that ended while nobody gave a new one, and mends it when somebody does', async () => {
  world = await makeWorld();
  const clock = createFakeClock();
  const laptop = await connected(clock);
  world.control.refuse(tokenPath, 'internal-error');
  for (const token of world.control.tokens.keys()) world.gateway.distrusted.add(token);
  const refused = await ask(laptop.port, url);
  expect([refused.status, JSON.parse(refused.body)]).toEqual([
    401,
    expect.objectContaining({ code: 'token-expired' }),
  ]);
  world.control.instead.clear();
  expect((await ask(laptop.port, url)).body).toBe('grants');
  expect(world.gateway.sessions).toHaveLength(1);
});

it('renews a certificate that expired before it shows it to a gateway', async () => {
  world = await makeWorld({ certificateAge: 8 * 86_400 });
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  const renewed = thumbprintOf(readFileSync(world.paths.certificate, 'utf8'));
  expect(renewed).not.toBe(world.device.thumbprint);
  expect([...world.control.tokens.values()].map(({ thumbprint }) => thumbprint)).toEqual([renewed]);
});

it('says that the certificate expired where it cannot be renewed any more, and shows it to no gateway', async () => {
  world = await makeWorld({ certificateAge: 60 * 86_400 });
  world.control.refuse(renewPath, 'renewal-too-late');
  const laptop = await world.startLaptop();
  expect(await laptop.reach('certificate-expired')).toMatchObject({
    lastRefusal: { code: 'renewal-too-late' },
  });
  expect(world.gateway.sessions).toEqual([]);
});
