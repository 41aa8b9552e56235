import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../agent/clock.ts';
import { forgetDevice } from '../../agent/state/forget-device.ts';
import { loadSessionCache } from '../../agent/state/session-cache.ts';
import { buildProblem } from '../../src/contract/refusals.ts';
import { refuseStream } from './lab/gateway-server.ts';
import { createFakeClock } from './lab/fake-clock.ts';
import { ask, connectThrough, readAll, readUntil } from './lab/proxy-client.ts';
import { issueTo, thumbprintOf } from './lab/control-server.ts';
import { makeWorld, postureOf } from './lab/world.ts';
import type { World } from './lab/world.ts';

let world: World;
afterEach(() => world.close());

const ledger = 'ledger.apps.example.org:5432';
const tokenPath = '/v1/device/token';
const renewPath = '/v1/device/renew';
const configPath = '/v1/device/config';

/** A tunnel that echoes, opened through the laptop's proxy. */
async function openEcho(
  port: number,
): Promise<{ say(text: string): Promise<string>; ended: Promise<unknown> }> {
  const { socket, status, rest } = await connectThrough(port, ledger);
  expect([status, rest.toString()]).toEqual([200, '']);
  const ended = new Promise((resolve) => socket.once('close', resolve));
  return {
    ended,
    say: (text) => {
      socket.write(text);
      return readUntil(socket, text);
    },
  };
}

const echo = async (): Promise<void> => {
  world.gateway.tunnels.set(ledger, await world.serve((socket) => socket.pipe(socket)));
};

it('shows its token once, with the posture that it measured, and carries flows on one session', async () => {
  world = await makeWorld();
  await echo();
  const laptop = await world.startLaptop({ posture: postureOf(true) });
  await laptop.reach('connected');
  await Promise.all([openEcho(laptop.port), openEcho(laptop.port)]);
  expect(world.gateway.sessions).toHaveLength(1);
  expect(world.gateway.requests.map(({ headers }) => headers['proxy-authorization'] !== undefined)).toEqual([
    true,
    false,
    false,
  ]);
  const { body, thumbprint } = await world.control.request(tokenPath);
  expect(thumbprint).toBe(world.device.thumbprint);
  expect(body).toMatchObject({ posture: { ageSeconds: 0, os: 'debian', checks: { diskEncrypted: true } } });
});

it('comes back after the gateway died, and a flow that waits for it is carried', async () => {
  world = await makeWorld();
  await echo();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  const tunnel = await openEcho(laptop.port);
  await world.gateway.crash();
  await Promise.all([tunnel.ended, laptop.reach('gateway-unreachable')]);
  const waiting = openEcho(laptop.port);
  await world.gateway.restart();
  const again = await waiting;
  expect(await again.say('hello')).toBe('hello');
  expect(laptop.view().state).toBe('connected');
});

it('refuses a flow plainly when no gateway comes back in time', async () => {
  world = await makeWorld();
  const laptop = await world.startLaptop({ limits: { sessionWaitMs: 100 } });
  await laptop.reach('connected');
  await world.gateway.crash();
  const answer = await ask(laptop.port, 'http://grants.apps.example.org/');
  expect([answer.status, JSON.parse(answer.body)]).toEqual([
    503,
    expect.objectContaining({ code: 'agent-not-connected' }),
  ]);
});

it('waits longer after each failure, up to half a minute, as the dice say', async () => {
  world = await makeWorld();
  await world.gateway.crash();
  const clock = createFakeClock();
  const laptop = await world.startLaptop({
    clock,
    random: () => 0.5,
    timings: { pingIntervalMs: 10_000_000 },
  });
  await laptop.reach('gateway-unreachable');
  for (const expected of [500, 1000, 2000, 4000, 8000, 15_000, 15_000]) {
    await clock.whenSleeping(expected);
    clock.advance(expected);
  }
  await clock.whenSleeping(15_000);
  await world.gateway.restart();
  clock.advance(15_000);
  await laptop.reach('connected');
});

it('opens the next session before the last flow of a gateway that is leaving has ended', async () => {
  world = await makeWorld();
  await echo();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  const tunnel = await openEcho(laptop.port);
  (await world.gateway.session(0)).goaway();
  await world.gateway.session(1);
  await laptop.reach('connected');
  const second = await openEcho(laptop.port);
  expect([await tunnel.say('old'), await second.say('new')]).toEqual(['old', 'new']);
  const connects = world.gateway.requests.filter(({ headers }) => headers[':method'] === 'CONNECT');
  expect(connects.map(({ session }) => session)).toEqual([0, 1]);
});

it('reports a posture that changed at once, and fetches nothing where it is the same after all', async () => {
  world = await makeWorld();
  const posture = postureOf(true);
  const laptop = await world.startLaptop({ posture });
  await laptop.reach('connected');
  posture.set(true);
  await laptop.status();
  const tokens = () => world.control.requests.filter(({ path }) => path === tokenPath);
  expect(tokens()).toMatchObject([
    { body: { posture: { checks: { diskEncrypted: true }, reasons: { diskEncrypted: 'lab' } } } },
  ]);
  posture.set(false);
  const { body } = await world.control.request(tokenPath, 2);
  expect(body).toMatchObject({ posture: { checks: { diskEncrypted: false } } });
});

it('reports at once a posture that changed while there was no session', async () => {
  world = await makeWorld();
  const posture = postureOf(true);
  const first = await world.startLaptop({ posture });
  await first.reach('connected');
  await first.stop();
  posture.set(false);
  // The token of before is still good, and stands for another posture.
  const second = await world.startLaptop({ posture });
  await second.reach('connected');
  const { body } = await world.control.request(tokenPath, 2);
  expect(body).toMatchObject({ posture: { checks: { diskEncrypted: false } } });
});

it('refreshes the token in place at two thirds of its life, and no flow notices', async () => {
  world = await makeWorld();
  await echo();
  const clock = createFakeClock();
  const laptop = await world.startLaptop({ clock, random: () => 0, timings: { pingIntervalMs: 10_000_000 } });
  await laptop.reach('connected');
  const tunnel = await openEcho(laptop.port);
  await clock.whenSleeping(400_000);
  clock.advance(400_000);
  await world.gateway.probe(2);
  expect(await tunnel.say('still')).toBe('still');
  const [first, second] = world.gateway.requests.flatMap(
    ({ headers }) => headers['proxy-authorization'] ?? [],
  );
  expect(first).not.toBe(second);
  expect(world.gateway.sessions).toHaveLength(1);
  // With each token the configuration is read anew.
  await world.control.request(configPath, 2);
});

it('refreshes the token at the next look when the laptop slept through its time', async () => {
  world = await makeWorld();
  const clock = createFakeClock();
  const laptop = await world.startLaptop({ clock, random: () => 0 });
  await laptop.reach('connected');
  await clock.whenSleeping(15_000);
  clock.advance(8 * 3_600_000);
  await world.control.request(tokenPath, 2);
});

it('fetches one fresh token when the gateway refuses the one in hand, and no more than one', async () => {
  world = await makeWorld();
  await echo();
  const clock = createFakeClock();
  const laptop = await world.startLaptop({ clock, limits: { tunnelTimeoutMs: 20_000 } });
  await laptop.reach('connected');
  for (const token of world.control.tokens.keys()) world.gateway.distrusted.add(token);
  const tunnel = await openEcho(laptop.port);
  expect(await tunnel.say('mended')).toBe('mended');
  expect(world.control.tokens.size).toBe(2);

  world.gateway.refuseAll = 'token-signature';
  const { socket, status, rest } = await connectThrough(laptop.port, ledger);
  const problem: unknown = JSON.parse(await readAll(socket, rest));
  expect([status, problem]).toEqual([401, expect.objectContaining({ code: 'token-signature' })]);
  expect(world.control.tokens.size).toBe(3);
});

it("passes an application's own 401 on without a new token", async () => {
  world = await makeWorld();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.respond({ ':status': 401, 'content-type': 'application/problem+json' });
    stream.end('{"code":"sign-in","title":"Sign in"}');
  });
  const answer = await ask(laptop.port, 'http://grants.apps.example.org/');
  expect([answer.status, answer.body]).toEqual([401, '{"code":"sign-in","title":"Sign in"}']);
  expect(world.control.tokens.size).toBe(1);
  expect((await laptop.status()).lastRefusal).toBeUndefined();
});

it.each([
  ['a problem document', 'GET', 'problem'],
  ['a page for people', 'GET', 'page'],
  ['an answer to HEAD', 'HEAD', 'problem'],
] as const)('names what the gateway refused last, from %s', async (_what, method, as) => {
  world = await makeWorld();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  world.gateway.apps.set('grants.apps.example.org', (stream) =>
    refuseStream(stream, 'upstream-unreachable', as),
  );
  expect((await ask(laptop.port, 'http://grants.apps.example.org/', { method })).status).toBe(502);
  expect((await laptop.status()).lastRefusal).toMatchObject({
    code: 'upstream-unreachable',
    flowId: '01HZY',
  });
});

it("takes no application's word for a refusal of the gateway", async () => {
  world = await makeWorld();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.respond({ ':status': 403, 'content-type': 'application/problem+json' });
    stream.end(JSON.stringify(buildProblem('mfa-required')));
  });
  expect((await ask(laptop.port, 'http://grants.apps.example.org/')).status).toBe(403);
  expect((await laptop.status()).lastRefusal).toBeUndefined();
});

it('repeats a request without a body after mending the token', async () => {
  world = await makeWorld();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  world.gateway.apps.set('grants.apps.example.org', (stream) => {
    stream.respond({ ':status': 200 });
    stream.end('grants here');
  });
  for (const token of world.control.tokens.keys()) world.gateway.distrusted.add(token);
  expect((await ask(laptop.port, 'http://grants.apps.example.org/')).body).toBe('grants here');
  expect(world.control.tokens.size).toBe(2);
});

it('carries on with its token while the control plane is away, and is restarted on it', async () => {
  world = await makeWorld();
  await echo();
  const first = await world.startLaptop();
  await first.reach('connected');
  await world.control.close();
  const tunnel = await openEcho(first.port);
  expect(await tunnel.say('without')).toBe('without');
  const status = await first.status();
  expect([status.state, status.probe.control.ok, status.probe.gateway.ok]).toEqual([
    'connected',
    false,
    true,
  ]);
  await first.stop();
  const second = await world.startLaptop();
  await second.reach('connected');
  expect(await (await openEcho(second.port)).say('restarted')).toBe('restarted');
  expect(world.control.tokens.size).toBe(1);
});

it('keeps no token on the disk that anybody but the device key can read', async () => {
  world = await makeWorld();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  await laptop.stop();
  const [token = ''] = world.control.tokens.keys();
  const kept = readdirSync(world.paths.directory).map((name) =>
    readFileSync(join(world.paths.directory, name), 'utf8'),
  );
  for (const content of kept) expect(content).not.toContain(token);
  const { device, organization, paths } = world;
  expect((await loadSessionCache(paths.cache, device.keyPem))?.token?.value).toBe(token);
  const other = await organization.issueDevice({ id: 'd-other' });
  expect(await loadSessionCache(paths.cache, other.keyPem)).toEqual({ config: expect.anything() });
});

it('does not start on a kept token that has ended, or that another certificate had', async () => {
  world = await makeWorld();
  const first = await world.startLaptop();
  await first.reach('connected');
  await first.stop();
  const kept = await loadSessionCache(world.paths.cache, world.device.keyPem);
  expect(kept?.token).toMatchObject({ thumbprint: world.device.thumbprint, lifeSeconds: 600 });
  await world.control.close();
  const late = await world.startLaptop({ clock: createFakeClock(Date.now() + 601_000) });
  expect((await late.reach('control-unreachable')).gateway).toBeUndefined();
  expect(world.gateway.sessions).toHaveLength(1);
});

it('says that the laptop was revoked, asks rarely from then on, and comes back when that was a mistake', async () => {
  world = await makeWorld();
  const clock = createFakeClock();
  const laptop = await world.startLaptop({
    clock,
    random: () => 0.5,
    timings: { pingIntervalMs: 10_000_000 },
  });
  await laptop.reach('connected');
  for (const path of [tokenPath, configPath]) world.control.refuse(path, 'device-revoked');
  world.gateway.refuseAll = 'device-revoked';
  const [session] = world.gateway.sessions;
  session?.destroy();
  // The first attempt comes quickly: it was only a lost connection so far.
  await clock.whenSleeping(1000);
  clock.advance(1000);
  await laptop.reach('revoked');
  const status = await laptop.status();
  expect(status).toMatchObject({ state: 'revoked', lastRefusal: { code: 'device-revoked' } });
  const before = world.control.requests.length;
  // Nobody waits for what is not to be hoped for.
  expect((await ask(laptop.port, 'http://grants.apps.example.org/')).status).toBe(503);
  for (const expected of [22_500, 45_000, 90_000, 180_000, 225_000, 225_000]) {
    await clock.whenSleeping(expected);
    clock.advance(expected);
  }
  await clock.whenSleeping(225_000);
  expect(world.control.requests.length - before).toBeLessThan(8);
  world.control.instead.clear();
  world.gateway.refuseAll = undefined;
  clock.advance(225_000);
  await laptop.reach('connected');
});

it('says what the control plane says when the gateway only closes the handshake', async () => {
  world = await makeWorld();
  for (const path of [tokenPath, configPath]) world.control.refuse(path, 'certificate-unknown');
  const laptop = await world.startLaptop();
  const view = await laptop.reach('refused');
  expect(view.lastRefusal).toMatchObject({ code: 'certificate-unknown', status: 401 });
  expect(world.gateway.sessions).toHaveLength(0);
});

it('renews its certificate after two thirds of its life, moves to it, and keeps old flows alive with old tokens', async () => {
  world = await makeWorld({ certificateAge: 5 * 86_400 });
  await echo();
  world.control.refuse(renewPath, 'rate-limited');
  const clock = createFakeClock();
  const laptop = await world.startLaptop({ clock, random: () => 0, timings: { pingIntervalMs: 10_000_000 } });
  await laptop.reach('connected');
  const tunnel = await openEcho(laptop.port);
  await clock.whenSleeping(15_000);
  expect(readFileSync(world.paths.certificate, 'utf8')).toBe(world.device.chainPem);

  world.control.instead.clear();
  clock.advance(15_000);
  expect((await world.control.request(renewPath, 2)).thumbprint).toBe(world.device.thumbprint);
  await world.gateway.session(1);
  await laptop.reach('connected');
  const renewed = readFileSync(world.paths.certificate, 'utf8');
  expect(thumbprintOf(renewed)).not.toBe(world.device.thumbprint);
  expect(readFileSync(world.paths.key, 'utf8')).toBe(world.device.keyPem);

  await clock.whenSleeping(385_000);
  clock.advance(600_000);
  await world.gateway.probe(4);
  const second = await openEcho(laptop.port);
  expect([await tunnel.say('old'), await second.say('new')]).toEqual(['old', 'new']);
  // Each session is shown tokens of its own certificate and no others, the older one still.
  const shown = world.gateway.requests.flatMap(({ headers, session }) => {
    const token = headers['proxy-authorization']?.replace('Bearer ', '');
    return token === undefined ? [] : [[session, world.control.tokens.get(token)?.thumbprint]];
  });
  expect(shown.sort(([a], [b]) => Number(a) - Number(b))).toEqual([
    [0, world.device.thumbprint],
    [0, world.device.thumbprint],
    [1, thumbprintOf(renewed)],
    [1, thumbprintOf(renewed)],
  ]);
});

it.each([
  ['for another key', { publicKeyPem: true }],
  ['that has expired', { now: new Date(0) }],
])('keeps its certificate when the renewed one is one %s', async (_, wrong) => {
  world = await makeWorld({ certificateAge: 6 * 86_400 });
  const foreign = await world.organization.issueDevice();
  const { X509Certificate } = await import('node:crypto');
  const publicKeyPem = new X509Certificate(foreign.certificatePem).publicKey.export({
    format: 'pem',
    type: 'spki',
  });
  world.control.instead.set(renewPath, ({ body }) =>
    issueTo(world.organization, body, 'd-laptop', 'now' in wrong ? wrong : { publicKeyPem }).then(
      ({ certificate, notAfter }) => ({ certificate, notAfter }),
    ),
  );
  const clock = createFakeClock();
  const laptop = await world.startLaptop({
    clock,
    random: () => 0.5,
    timings: { pingIntervalMs: 10_000_000 },
  });
  await laptop.reach('connected');
  await world.control.request(renewPath);
  // It tries again, later.
  await clock.whenSleeping(22_500);
  expect(readFileSync(world.paths.certificate, 'utf8')).toBe(world.device.chainPem);
  expect(laptop.view().state).toBe('connected');
});

it('gives up a path that answers no PING, and takes another', async () => {
  world = await makeWorld();
  const relay = await world.relayGateway();
  const clock = createFakeClock();
  const laptop = await world.startLaptop({ clock, timings: { pingIntervalMs: 15_000, pingTimeoutMs: 200 } });
  await laptop.reach('connected');
  await clock.whenSleeping(15_000);
  clock.advance(15_000);
  await clock.whenSleeping(15_000);
  expect(laptop.view().state).toBe('connected');
  // The connection stays open and silent, like one through a router that forgot it.
  relay.silence();
  clock.advance(15_000);
  await clock.whenSleeping(200);
  clock.advance(200);
  await laptop.reach('connecting');
  relay.speak();
  await clock.whenSleeping(500);
  clock.advance(500);
  await world.gateway.session(1);
});

it('moves to another address of the gateway when the control plane does not name its own any more', async () => {
  world = await makeWorld();
  await echo();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  const tunnel = await openEcho(laptop.port);
  await world.relayGateway();
  await laptop.status();
  await world.gateway.session(1);
  expect(await tunnel.say('old')).toBe('old');
});

it('does not take another server for the gateway, though it has a certificate of the same authority', async () => {
  world = await makeWorld();
  world.control.config = {
    ...world.control.config,
    gateway: { name: 'other.example.org', addresses: world.control.config.gateway.addresses },
  };
  const laptop = await world.startLaptop();
  const view = await laptop.reach('gateway-unreachable');
  expect(view.reason).toContain('other.example.org');
  expect(world.gateway.requests).toEqual([]);
});

it('does not start on a device that left while it was starting', async () => {
  world = await makeWorld();
  // Something of somebody else's keeps the directory.
  writeFileSync(join(world.paths.directory, 'note'), '');
  const posture = postureOf();
  const starting = world.startLaptop({
    posture: {
      ...posture,
      measure: async () => {
        await forgetDevice(world.paths.directory, systemClock, async () => undefined);
        return posture.measure();
      },
    },
  });
  await expect(starting).rejects.toMatchObject({ key: 'not-enrolled' });
  expect(readdirSync(world.paths.directory)).toEqual(['note']);
});

it('releases the state directory when it stops', async () => {
  world = await makeWorld();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  await expect(world.startLaptop()).rejects.toThrow(/agent-runs/);
  await laptop.stop();
  expect(existsSync(world.paths.lock)).toBe(false);
  const again = await world.startLaptop();
  await again.reach('connected');
});
