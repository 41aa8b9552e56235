import type { ServerHttp2Session } from 'node:http2';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { postureSignal } from '../../src/contract/posture-signal.ts';
import type { PostureProvider } from '../../agent/posture/posture-provider.ts';
import { makeWorld, postureOf } from './lab/world.ts';
import type { Laptop, LabPosture, World } from './lab/world.ts';

const tokenPath = '/v1/device/token';
let world: World;
let laptop: Laptop;
let found: LabPosture;
let session: ServerHttp2Session;
/** Whether each measurement ran every check anew. */
let measured: boolean[];
beforeEach(async () => {
  world = await makeWorld();
  const watched = postureOf(true);
  found = watched;
  measured = [];
  const posture: PostureProvider = {
    // That it changed, nobody is told.
    watch: (onChange, signal) => watched.watch(onChange, signal),
    measure(options = {}) {
      measured.push(options.fresh === true);
      return found.measure(options);
    },
  };
  laptop = await world.startLaptop({ posture });
  await laptop.reach('connected');
  session = await world.gateway.session(0);
});
afterEach(() => world.close());

/** A PING of the gateway, acknowledged. */
const ping = (payload: Buffer): Promise<void> =>
  new Promise((resolve, reject) => {
    session.ping(payload, (error) => (error === null ? resolve() : reject(error)));
  });
const tokens = () => world.control.requests.filter(({ path }) => path === tokenPath);

it('measures itself anew when its gateway asks, and tells the control plane', async () => {
  const before = tokens().length;
  found = postureOf(false);
  await ping(postureSignal);
  await world.control.request(tokenPath, before + 1);
  expect(tokens().at(-1)?.body).toMatchObject({ posture: { checks: { diskEncrypted: false } } });
  expect(measured).toContain(true);
});

it('does so also where nothing changed, each time that it is asked', async () => {
  for (let round = 0; round < 2; round += 1) {
    const before = tokens().length;
    await ping(postureSignal);
    await world.control.request(tokenPath, before + 1);
  }
});

it('takes no other PING for a question', async () => {
  const before = tokens().length;
  for (const text of ['POSTURE?', 'posture!', '\0\0\0\0\0\0\0\0']) await ping(Buffer.from(text));
  await laptop.status();
  expect([tokens().length, measured.filter(Boolean).length]).toEqual([before, 1]);
});

it('answers a gateway that asks without end no more than once a second', async () => {
  const before = tokens().length;
  const from = performance.now();
  for (let round = 0; round < 200; round += 1) await ping(postureSignal);
  await world.control.request(tokenPath, before + 1);
  const seconds = (performance.now() - from) / 1000;
  expect(tokens().length - before).toBeLessThanOrEqual(Math.ceil(seconds) + 1);
});
