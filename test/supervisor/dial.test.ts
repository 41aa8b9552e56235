import { afterEach, describe, expect, it } from 'vitest';
import type { NetworkRegistration } from '../../src/contract/ipc.ts';
import { startGreeter } from '../lab/speakers.ts';
import { announce, dial, startServing } from './server.ts';

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
const greeter = async (...args: Parameters<typeof startGreeter>) => {
  const server = await startGreeter(...args);
  closing.push(() => server.close());
  return server;
};
const serving = async (...args: Parameters<typeof startServing>) => {
  const server = await startServing(...args);
  closing.push(() => server.close());
  return server;
};
const network = (
  name: string,
  port: number,
  more: Partial<NetworkRegistration> = {},
): NetworkRegistration => ({
  name,
  attach: { direct: true },
  dns: [],
  upstreams: [{ host: '127.0.0.1', port }],
  ...more,
});

describe('a dial from worker through supervisor and connector', () => {
  it('brings the first words of 100 servers of 100, then carries both ways', async () => {
    const { port } = await greeter('SSH-2.0-Lab\r\n');
    const { worker } = await serving([network('lab', port)]);
    const results = await Promise.all(
      Array.from({ length: 100 }, () => dial(worker, 'lab', { host: '127.0.0.1', port })),
    );
    expect(results.map(({ banner }) => banner)).toEqual(Array.from({ length: 100 }, () => 'SSH-2.0-Lab\r\n'));
    expect(new Set(results.map(({ echo }) => echo))).toEqual(new Set(['ping']));
  });

  it('reaches what is registered, and refuses a port that no app in the network has', async () => {
    const registered = await greeter('mine');
    const other = await greeter('other');
    const { worker } = await serving([network('lab', registered.port)]);
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port: registered.port })).toMatchObject({
      banner: 'mine',
      address: '127.0.0.1',
    });
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port: other.port })).toEqual({
      event: 'dial-error',
      failure: 'not-registered',
      detail: `no app in network lab lives at 127.0.0.1 port ${other.port}`,
    });
    expect(other.peers).toEqual([]);
  });

  it('refuses an upstream of one network to a worker that asks another network for it', async () => {
    const { port } = await greeter('mine');
    const { worker } = await serving([network('one', port), network('two', 1)]);
    expect(await dial(worker, 'two', { host: '127.0.0.1', port })).toMatchObject({
      failure: 'not-registered',
    });
    expect(await dial(worker, 'one', { host: '127.0.0.1', port })).toMatchObject({ banner: 'mine' });
  });

  it('knows no network that was not announced, and starts nothing for it', async () => {
    const { worker, log } = await serving([]);
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port: 22 })).toMatchObject({
      failure: 'not-registered',
    });
    expect(log.filter(({ sentence }) => sentence === 'connector started')).toEqual([]);
  });

  it('comes from the address that the network is attached by', async () => {
    const { port, peers } = await greeter('hello');
    const { worker } = await serving([network('lab', port, { attach: { sourceAddress: '127.0.0.77' } })]);
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port })).toMatchObject({ banner: 'hello' });
    expect(peers).toEqual(['127.0.0.77']);
  });

  it('says that an upstream refuses', async () => {
    const closed = await startGreeter('never');
    await closed.close();
    const { worker } = await serving([network('lab', closed.port)]);
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port: closed.port })).toEqual({
      event: 'dial-error',
      failure: 'unreachable',
      detail: `127.0.0.1 port ${closed.port}: ECONNREFUSED`,
    });
  });

  it('works again after the connector was killed, by a new one', async () => {
    const { port } = await greeter('hello');
    const { worker, logged } = await serving([network('lab', port)]);
    const upstream = { host: '127.0.0.1', port };
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ banner: 'hello' });
    const first = await logged('connector started');
    process.kill(first.pid, 'SIGKILL');
    await logged('connector ended');
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ banner: 'hello' });
    const second = await logged('connector started');
    expect(second.pid).not.toBe(first.pid);
  });

  it('tells those that waited when a connector dies under them', async () => {
    const { port } = await greeter('hello');
    const { worker, logged } = await serving([network('lab', port)]);
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port })).toMatchObject({ banner: 'hello' });
    const { pid } = await logged('connector started');
    // Stopped, it answers nothing: the dial is under way for sure when it is killed.
    process.kill(pid, 'SIGSTOP');
    const waiting = dial(worker, 'lab', { host: '127.0.0.1', port });
    process.kill(pid, 'SIGKILL');
    expect(await waiting).toMatchObject({ failure: 'connector-unavailable' });
  });

  it('gives up on a connector that hangs, ends it, and starts another', async () => {
    const { port } = await greeter('hello');
    const { worker, logged } = await serving([network('lab', port)], { dialTimeoutMs: 200 });
    const upstream = { host: '127.0.0.1', port };
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ banner: 'hello' });
    const { pid } = await logged('connector started');
    process.kill(pid, 'SIGSTOP');
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ failure: 'timeout' });
    expect(await logged('connector ended')).toMatchObject({ network: 'lab', detail: 'signal SIGKILL' });
    expect(await dial(worker, 'lab', upstream)).toMatchObject({ banner: 'hello' });
  });

  it('follows what is registered: new upstreams at once, those that went no longer', async () => {
    const before = await greeter('before');
    const after = await greeter('after');
    const { control, worker, log } = await serving([network('lab', before.port)]);
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port: before.port })).toMatchObject({
      banner: 'before',
    });
    await announce(control, worker, [network('lab', after.port)]);
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port: after.port })).toMatchObject({
      banner: 'after',
    });
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port: before.port })).toMatchObject({
      failure: 'not-registered',
    });
    expect(log.filter(({ sentence }) => sentence === 'connector started')).toHaveLength(1);
  });

  it('ends the connector of a network that is no more', async () => {
    const { port } = await greeter('hello');
    const { control, worker, logged } = await serving([network('lab', port)]);
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port })).toMatchObject({ banner: 'hello' });
    const { pid } = await logged('connector started');
    await announce(control, worker, []);
    await expect.poll(() => isRunning(pid)).toBe(false);
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port })).toMatchObject({
      failure: 'not-registered',
    });
  });

  it('ends a connector that is not used, and starts it again at next use', async () => {
    const { port } = await greeter('hello');
    const { worker, logged } = await serving([network('lab', port)], { connectorIdleMs: 50 });
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port })).toMatchObject({ banner: 'hello' });
    await logged('connector idle');
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port })).toMatchObject({ banner: 'hello' });
  });

  it('has a connector ready in each of few networks, before anybody asks and however long nobody does', async () => {
    const { port } = await greeter('hello');
    const [lab, office] = [network('lab', port), network('office', port)];
    const { control, worker, log, logged } = await serving([lab, office], {
      connectorsAlwaysUpTo: 2,
      connectorIdleMs: 20,
    });
    const ready = [await logged('connector started'), await logged('connector started')];
    expect(ready.map((facts) => facts.network).toSorted()).toEqual(['lab', 'office']);
    expect(await dial(worker, 'lab', { host: '127.0.0.1', port })).toMatchObject({ banner: 'hello' });
    expect(log.filter(({ sentence }) => sentence === 'connector idle')).toEqual([]);
    // Of many, those that nobody uses end, and a new one is not started for nothing.
    await announce(control, worker, [lab, office, network('school', port)]);
    const ended = [await logged('connector idle'), await logged('connector idle')];
    expect(ended.map((facts) => facts.network).toSorted()).toEqual(['lab', 'office']);
    expect(log.filter(({ sentence }) => sentence === 'connector started')).toHaveLength(2);
  });

  it('has no way to a network of a remote connector, and says so', async () => {
    const { worker } = await serving([network('far', 1, { attach: { connector: 'remote' } })]);
    expect(await dial(worker, 'far', { host: '127.0.0.1', port: 1 })).toEqual({
      event: 'dial-error',
      failure: 'connector-unavailable',
      detail: 'network far has a remote connector, which this version cannot use',
    });
  });
});

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
