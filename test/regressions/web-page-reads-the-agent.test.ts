/*
 * A web page cannot read what a server on 127.0.0.1 says, unless its own name is made to point there (DNS rebinding), or
 * the answer happens to be a script that it may include: proxy.pac is one, and names every internal application. Here:
 * the agent's pages answer only to 127.0.0.1 and localhost with the right port, refuse what a browser marks as coming
 * from another site (Sec-Fetch-Site, or Origin), give PAC a type that `nosniff` forbids to run, allow no origin, and change nothing.
 */
import { afterEach, expect, it } from 'vitest';
import { ask } from '../agent/lab/proxy-client.ts';
import { makeWorld } from '../agent/lab/world.ts';
import type { World } from '../agent/lab/world.ts';

let world: World;
afterEach(() => world.close());

it('shows its pages to the person at the laptop and to no web page', async () => {
  world = await makeWorld();
  const laptop = await world.startLaptop();
  await laptop.reach('connected');
  for (const path of ['/', '/status', '/proxy.pac']) {
    const own = await ask(laptop.port, path);
    const rebound = await ask(laptop.port, path, { headers: { host: `attacker.example:${laptop.port}` } });
    const included = await ask(laptop.port, path, {
      headers: {
        'sec-fetch-site': 'cross-site',
        'sec-fetch-dest': 'script',
        referer: 'https://attacker.example/',
      },
    });
    const read = await ask(laptop.port, path, { headers: { origin: 'https://attacker.example' } });
    const statuses = [own, rebound, included, read].map(({ status }) => status);
    expect([path, ...statuses]).toEqual([path, 200, 421, 403, 403]);
    for (const answer of [rebound, included, read]) expect(answer.body).not.toContain('apps.example.org');
    expect(read.headers['access-control-allow-origin']).toBeUndefined();
    expect(own.headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
      'x-frame-options': 'DENY',
    });
    expect(own.headers['content-type']).not.toContain('javascript');
  }
});
