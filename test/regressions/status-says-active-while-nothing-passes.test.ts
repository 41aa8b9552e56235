/*
 * ziti#3919: the client said "active" because a socket was open, while no flow got through, and support looked for the
 * fault everywhere else. Here: `status` sends a request through the session to the gateway and another to the control
 * plane each time, and says `connected` only when the one through the gateway came back with a yes. A connection that is
 * open and silent, or open and refusing, is not connected.
 */
import { afterEach, expect, it } from 'vitest';
import { makeWorld } from '../agent/lab/world.ts';
import type { World } from '../agent/lab/world.ts';

let world: World;
afterEach(() => world.close());

it('says connected when a request went through, and not when the open connection swallows it', async () => {
  world = await makeWorld();
  const relay = await world.relayGateway();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  expect(await laptop.status()).toMatchObject({ state: 'connected', probe: { gateway: { ok: true } } });

  relay.silence();
  const status = await laptop.status();
  expect(laptop.view().gateway).toBeDefined();
  expect(status).toMatchObject({
    state: 'gateway-unreachable',
    probe: { control: { ok: true }, gateway: { ok: false } },
  });
});

it('says refused when the gateway answers no on a session that it keeps open', async () => {
  world = await makeWorld();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  world.gateway.refuseAll = 'not-ready';
  expect(await laptop.status()).toMatchObject({
    state: 'refused',
    probe: { gateway: { code: 'not-ready' } },
  });
});
