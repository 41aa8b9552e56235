import { afterEach, describe, expect, it } from 'vitest';
import { startGreeter } from '../lab/speakers.ts';
import { announce, dial, startServing } from '../supervisor/server.ts';

/**
 * netbird#3843, ziti#3769, newt#284: the control plane was restarted, and with it fell what it had set up: tunnels were
 * dropped all over the fleet, connectors did not come back, and revocations of the time between reached nobody. An
 * attacker who can crash the control plane thereby takes down the data path, or keeps a revoked laptop connected. Here the
 * data path lives without the control process: workers and connectors run on, new flows are dialled, a new control process
 * is started, told which workers run and where they listen, and greets each anew with the whole state.
 */
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function servingLab() {
  const greeter = await startGreeter('hello');
  closing.push(() => greeter.close());
  const upstream = { host: '127.0.0.1', port: greeter.port };
  const networks = [{ name: 'lab', attach: { direct: true as const }, dns: [], upstreams: [upstream] }];
  // What dies at once would be started at once: the time between is what is looked at here.
  const server = await startServing(networks, { backoff: { firstMs: 1, maxMs: 1, stableAfterMs: 60_000 } });
  closing.push(() => server.close());
  return { ...server, upstream, networks };
}

describe('the control process dies', () => {
  it('leaves workers and connectors running: the same worker dials through the same connector', async () => {
    const { hub, control, worker, upstream, log } = await servingLab();
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ banner: 'hello' });
    process.kill(control.pid, 'SIGKILL');
    await control.ended;
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ banner: 'hello' });
    await hub.peer('control');
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ banner: 'hello' });
    const started = log.map(({ sentence }) => sentence).filter((sentence) => sentence.endsWith('started'));
    expect(started).toEqual([
      'control process started',
      'worker started',
      'connector started',
      'control process started',
    ]);
  });

  it('tells the next one where workers listen, and greets it in the name of those that run', async () => {
    const { hub, control, worker } = await servingLab();
    worker.send({ send: { type: 'for-control', message: { type: 'hello' } } });
    worker.send({ send: { type: 'ready', port: 8443 } });
    control.send({ send: { type: 'ready', controlPort: 8444, operatorPort: 9464 } });
    const { worker: number } = await control.message('from-worker');
    const first = await control.message('start');
    expect(first).not.toHaveProperty('gatewayPort');
    await control.message('worker-ready');
    process.kill(control.pid, 'SIGKILL');
    const next = await hub.peer('control');
    expect(await next.message('start')).toEqual({
      ...first,
      gatewayPort: 8443,
      controlPort: 8444,
      operatorPort: 9464,
    });
    expect(await next.message('from-worker')).toEqual({
      type: 'from-worker',
      worker: number,
      message: { type: 'hello' },
    });
    expect(await next.message('worker-ready')).toEqual({ type: 'worker-ready', worker: number, port: 8443 });
  });

  it('gives the next one what workers said meanwhile, once, and nothing of workers that are gone', async () => {
    const { hub, control, worker } = await servingLab();
    // Stopped, and so deaf: what is said now waits in the channel and dies with the process.
    process.kill(control.pid, 'SIGKILL');
    await control.ended;
    worker.send({ send: { type: 'for-control', message: { type: 'hello' } } });
    const next = await hub.peer('control');
    expect((await next.message('from-worker')).message).toEqual({ type: 'hello' });
    process.kill(worker.pid, 'SIGKILL');
    await next.message('worker-gone');
    const replacement = await hub.peer('worker');
    replacement.send({ send: { type: 'for-control', message: { type: 'applied', sequence: 1 } } });
    expect((await next.message('from-worker')).message).toEqual({ type: 'applied', sequence: 1 });
  });

  it('follows what the next one registers', async () => {
    const { hub, control, worker, upstream, networks } = await servingLab();
    process.kill(control.pid, 'SIGKILL');
    const next = await hub.peer('control');
    await announce(next, worker, []);
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ failure: 'not-registered' });
    await announce(next, worker, networks);
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ banner: 'hello' });
  });

  it('goes on serving when the next one says that it cannot start', async () => {
    const { hub, control, worker, upstream } = await servingLab();
    control.send({ send: { type: 'ready', controlPort: 8444, operatorPort: 9464 } });
    control.send({ send: { type: 'fatal', detail: 'the disk is full' } });
    control.send({ exit: 2 });
    const next = await hub.peer('control');
    next.send({ send: { type: 'fatal', detail: 'the disk is full' } });
    next.send({ exit: 2 });
    await hub.peer('control');
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ banner: 'hello' });
  });
});
