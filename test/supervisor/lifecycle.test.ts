import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { NetworkRegistration } from '../../src/contract/ipc.ts';
import type { SupervisorOptions } from '../../src/supervisor/supervisor.ts';
import { startGreeter } from '../lab/speakers.ts';
import { createHub } from './hub.ts';
import { dial, startLabServer, startServing } from './server.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
const labServer = async (options?: Partial<SupervisorOptions>) => {
  const server = await startLabServer(options);
  closing.push(() => server.close());
  return server;
};
const serving = async (
  options?: Partial<SupervisorOptions>,
  networks: readonly NetworkRegistration[] = [],
) => {
  const server = await startServing(networks, options);
  closing.push(() => server.close());
  return server;
};
/** A program that ends at once, in place of one of the stand-ins. */
const crashing = async (name: 'control' | 'worker', text: string) => {
  const hub = await createHub();
  closing.push(() => hub.close());
  const file = join(hub.directory, 'crash.mjs');
  await writeFile(file, text);
  return { ...hub.programs, [name]: file };
};
const quick = { firstMs: 1, maxMs: 4, stableAfterMs: 60_000 };
const ready = (operatorPort = 9464) => ({ send: { type: 'ready', controlPort: 8444, operatorPort } });

describe('a supervised server', () => {
  it('is ready when the control process and every worker are, and not before', async () => {
    const server = await labServer({ workers: 2 });
    const control = await server.hub.peer('control');
    const workers = [await server.hub.peer('worker'), await server.hub.peer('worker')];
    let isReady = false;
    void server.ready.then(() => (isReady = true));
    control.send(ready());
    workers[0]?.send({ send: { type: 'ready', port: 8443 } });
    await control.message('worker-ready');
    expect(isReady).toBe(false);
    workers[1]?.send({ send: { type: 'ready', port: 8443 } });
    expect(await server.ready).toEqual({
      gatewayPort: 8443,
      controlPort: 8444,
      operatorPort: 9464,
      workers: 2,
    });
  });

  it('has no workers in the role of a control plane', async () => {
    const server = await labServer({ role: 'control', workers: 4 });
    const control = await server.hub.peer('control');
    expect(await control.message('start')).toMatchObject({
      role: 'control',
      configFile: '/nowhere/postern.yaml',
    });
    control.send(ready());
    expect(await server.ready).toMatchObject({ gatewayPort: undefined, workers: 0 });
  });

  it('relays between control process and worker, both ways, and to one worker only', async () => {
    const server = await labServer({ workers: 2 });
    const control = await server.hub.peer('control');
    const workers = [await server.hub.peer('worker'), await server.hub.peer('worker')] as const;
    workers[0].send({ send: { type: 'for-control', message: { type: 'hello' } } });
    const { worker } = await control.message('from-worker');
    const entries = (text: string) => ({ type: 'ledger', entries: [text] });
    control.send({ send: { type: 'for-worker', worker, message: entries('for one') } });
    control.send({ send: { type: 'for-worker', worker: 'all', message: entries('for all') } });
    expect((await workers[0].message('from-control')).message).toEqual(entries('for one'));
    expect((await workers[0].message('from-control')).message).toEqual(entries('for all'));
    expect((await workers[1].message('from-control')).message).toEqual(entries('for all'));
  });

  it('gives the passphrase to the control process by message, and to workers not at all', async () => {
    const secrets = { POSTERN_PASSPHRASE: 'open sesame', AWS_SECRET_ACCESS_KEY: 'x' };
    const environment = { ...secrets, NODE_OPTIONS: '--no-warnings', LANG: 'C' };
    const { control, worker } = await serving({ environment, passphrase: 'open sesame' });
    expect(await control.message('start')).toMatchObject({ passphrase: 'open sesame' });
    expect(control.started.env).not.toContain('POSTERN_PASSPHRASE');
    expect(control.started.env.toSorted()).toEqual(['AWS_SECRET_ACCESS_KEY', 'HUB', 'LANG']);
    // HUB is the stand-in's own doing.
    expect(worker.started.env.toSorted()).toEqual(['HOME', 'HUB', 'LANG']);
  });

  it('replaces a worker that dies under a new number, and tells the control process', async () => {
    const { hub, control, worker } = await serving();
    worker.send({ send: { type: 'for-control', message: { type: 'hello' } } });
    const { worker: first } = await control.message('from-worker');
    process.kill(worker.pid, 'SIGKILL');
    expect(await control.message('worker-gone')).toEqual({ type: 'worker-gone', worker: first });
    const next = await hub.peer('worker');
    next.send({ send: { type: 'for-control', message: { type: 'hello' } } });
    expect((await control.message('from-worker')).worker).toBeGreaterThan(first);
  });

  it('ends a worker that breaks the form of messages, and starts another', async () => {
    const { hub, worker, logged } = await serving();
    worker.send({ send: { type: 'dial', id: 1, network: ['finance'], upstream: { host: 'h', port: 1 } } });
    await logged('worker broke the form of messages');
    await worker.ended;
    expect((await hub.peer('worker')).pid).not.toBe(worker.pid);
  });

  it('drains workers, then connectors, then the control process, and ends with 0', async () => {
    const greeter = await startGreeter('hello');
    closing.push(() => greeter.close());
    const upstream = { host: '127.0.0.1', port: greeter.port };
    const { supervisor, control, worker, logged } = await serving({}, [
      { name: 'lab', attach: { direct: true }, dns: [], upstreams: [upstream] },
    ]);
    supervisor.stop();
    await worker.message('drain');
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ banner: 'hello' });
    const { pid: connector } = await logged('connector started');
    // The control process is told only after the worker is gone: an answer on the way proves that it was not yet.
    worker.send({ send: { type: 'for-control', message: { type: 'applied', sequence: 7 } } });
    expect((await control.next(({ message }) => message?.type !== 'start')).message).toMatchObject({
      type: 'from-worker',
    });
    worker.send({ exit: 0 });
    await control.message('drain');
    expect(() => process.kill(connector, 0)).toThrow('ESRCH');
    control.send({ exit: 0 });
    expect(await supervisor.ended).toEqual({ code: 0 });
  });

  it('kills a worker that does not drain in time, and still ends with 0', async () => {
    const { supervisor, control, worker } = await serving({ drainTimeoutMs: 50 });
    supervisor.stop();
    await worker.ended;
    await control.message('drain');
    control.send({ exit: 0 });
    expect(await supervisor.ended).toEqual({ code: 0 });
  });

  it('ends at once at the second request, with 1', async () => {
    const { supervisor, control, worker } = await serving();
    supervisor.stop();
    await worker.message('drain');
    supervisor.stop();
    await Promise.all([worker.ended, control.ended]);
    expect(await supervisor.ended).toMatchObject({ code: 1 });
  });

  it('does not start what is to end: a worker that dies while draining is not replaced', async () => {
    const { supervisor, control, worker, log } = await serving();
    supervisor.stop();
    await worker.message('drain');
    process.kill(worker.pid, 'SIGKILL');
    await control.message('drain');
    control.send({ exit: 0 });
    await supervisor.ended;
    expect(log.filter(({ sentence }) => sentence === 'worker started')).toHaveLength(1);
  });
});

describe('a server that cannot start', () => {
  it('ends with 2 and the reason that the control process gives', async () => {
    const server = await labServer();
    const control = await server.hub.peer('control');
    const detail = 'DIR was written by another version';
    control.send({ send: { type: 'fatal', detail } });
    control.send({ exit: 2 });
    expect(await server.supervisor.ended).toEqual({ code: 2, detail });
  });

  it('tries again when the control process merely dies, and serves when that works', async () => {
    const server = await labServer({ workers: 0, backoff: quick });
    (await server.hub.peer('control')).send({ exit: 1 });
    (await server.hub.peer('control')).send({ exit: 1 });
    (await server.hub.peer('control')).send(ready());
    expect(await server.ready).toMatchObject({ controlPort: 8444 });
  });

  it('gives up on a control process that dies at each of its first starts, with 1', async () => {
    const programs = await crashing('control', 'process.exit(7);');
    const server = await labServer({ workers: 0, backoff: quick, programs });
    expect(await server.supervisor.ended).toEqual({
      code: 1,
      detail: 'the control process ended 5 times at its start (exit code 7)',
    });
  });

  it('gives up on workers that die before any was ever ready, with 1', async () => {
    const programs = await crashing('worker', 'process.exit(9);');
    const server = await labServer({ backoff: quick, programs });
    expect(await server.supervisor.ended).toEqual({
      code: 1,
      detail: 'a worker ended 5 times before it was ready (exit code 9)',
    });
    const delays = server.log
      .filter(({ sentence }) => sentence === 'worker ended')
      .map(({ facts }) => facts.delayMs);
    expect(delays[0]).toBe(0);
    expect(delays.slice(1).every((delay) => delay > 0)).toBe(true);
  });
});
