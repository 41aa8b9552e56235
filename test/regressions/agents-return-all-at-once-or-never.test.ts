/*
 * netbird#3843, ziti#3769, newt#284: after a restart of the server side the clients either did not come back, because an
 * attempt had failed in a way that ended the loop, or all came back in the same second and brought it down again. Here:
 * the loop has no way out but the agent's own end, whatever the attempt failed with, and the wait before each attempt is
 * anywhere in an interval that doubles up to half a minute.
 */
import { afterEach, expect, it } from 'vitest';
import { fullJitter, reconnectLimits } from '../../agent/session/backoff.ts';
import { removeSessionCache } from '../../agent/state/session-cache.ts';
import { createFakeClock } from '../agent/lab/fake-clock.ts';
import { makeWorld } from '../agent/lab/world.ts';
import type { World } from '../agent/lab/world.ts';

let world: World | undefined;
afterEach(() => world?.close());

it('comes back after every way in which an attempt can fail', async () => {
  world = await makeWorld();
  const { control, gateway } = world;
  const good = control.config;
  const clock = createFakeClock();
  const failures: readonly (() => Promise<unknown> | void)[] = [
    () => void control.instead.set('/v1/device/config', () => Promise.resolve({ not: 'a configuration' })),
    () => control.refuse('/v1/device/token', 'internal-error'),
    () => control.refuse('/v1/device/token', 'rate-limited'),
    () => void control.instead.set('/v1/device/token', () => Promise.resolve({ token: '' })),
    () => void (control.config = { ...good, gateway: { ...good.gateway, addresses: [] } }),
    () => void (control.config = { ...good, gateway: { ...good.gateway, addresses: ['not an address'] } }),
    () => void (control.config = { ...good, gateway: { ...good.gateway, name: 'other.example.org' } }),
    () => void (gateway.refuseAll = 'not-ready'),
    () => void (gateway.refuseAll = 'internal-error'),
    () => gateway.crash(),
  ];
  for (const fail of failures) {
    await fail();
    const seen: string[] = [];
    const laptop = await world.startLaptop({
      clock,
      random: () => 0.5,
      timings: { pingIntervalMs: 10_000_000 },
      onState: ({ state }) => seen.push(state),
    });
    await clock.whenSleeping(500);
    expect(seen.at(-1)).toMatch(/^(control-[a-z]+|gateway-unreachable|refused)$/);
    control.instead.clear();
    control.config = good;
    gateway.refuseAll = undefined;
    if (fail === failures.at(-1)) await gateway.restart();
    // The next attempt finds what was mended, or what it learns makes the one after it work.
    const connected = laptop.reach('connected');
    for (const wait of [500, 1000, 2000]) {
      await Promise.race([connected, clock.whenSleeping(wait)]);
      clock.advance(wait);
    }
    await connected;
    await laptop.stop();
    // The next one starts with nothing in hand.
    removeSessionCache(world.paths.cache);
  }
});

it('spreads a thousand laptops that lost the same gateway over the whole interval', () => {
  const tenths = Array.from({ length: 10 }, () => 0);
  for (let laptop = 0; laptop < 1000; laptop += 1) {
    const wait = fullJitter(10, reconnectLimits, Math.random);
    const tenth = Math.floor((wait / reconnectLimits.capMs) * 10);
    tenths[tenth] = (tenths[tenth] ?? 0) + 1;
  }
  for (const count of tenths) expect(count).toBeGreaterThan(40);
});
