import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkRegistration } from '../../src/contract/ipc.ts';
import { isTcpHandle, isUdpHandle, wrapHandle, wrapUdpHandle } from '../../src/routing/wrap-handle.ts';
import { connectorCommand } from '../../src/supervisor/commands.ts';
import { createNamespace, namespacesAvailable, titleWithNamespaces } from '../lab/namespaces.ts';
import { startDatagramEcho, startGreeter } from '../lab/speakers.ts';
import type { Greeter } from '../lab/speakers.ts';
import { startConnector } from './connector-process.ts';

const closing: (() => Promise<void>)[] = [];
let greeter: Greeter;
beforeEach(async () => {
  greeter = await startGreeter('hello');
  closing.push(() => greeter.close());
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
const registration = (more: Partial<NetworkRegistration> = {}): NetworkRegistration => ({
  name: 'lab',
  attach: { direct: true },
  dns: [],
  upstreams: [{ host: '127.0.0.1', port: greeter.port }],
  ...more,
});
const connector = async (...args: Parameters<typeof startConnector>) => {
  const started = await startConnector(...args);
  closing.push(() => started.end());
  return started;
};
const dialOf = (port: number) => ({
  type: 'dial' as const,
  id: 7,
  upstream: { host: '127.0.0.1', port },
  timeoutMs: 2000,
});

describe('a connector', () => {
  it('hands over a socket with every byte still in it, and names its network', async () => {
    const { tell, next } = await connector(registration());
    tell({ type: 'register', registration: registration() });
    tell(dialOf(greeter.port));
    const [message, handle] = await next();
    expect(message).toEqual({ type: 'dialled', id: 7, network: 'lab', address: '127.0.0.1' });
    if (!isTcpHandle(handle)) throw new Error('no handle came');
    const socket = wrapHandle(handle);
    const [banner] = (await once(socket, 'data')) as [Buffer];
    expect(banner.toString()).toBe('hello');
    socket.destroy();
  });

  it('keeps no copy of a socket: when the receiver closes, the upstream sees the end', async () => {
    const { tell, next } = await connector(registration());
    tell({ type: 'register', registration: registration() });
    tell(dialOf(greeter.port));
    const [, handle] = await next();
    if (!isTcpHandle(handle)) throw new Error('no handle came');
    const socket = wrapHandle(handle);
    await once(socket, 'data');
    // The greeter ends its side when it has read our end, which reaches it only when no copy is left.
    socket.destroy();
    await expect.poll(() => greeter.open).toBe(0);
  });

  it('hands over a datagram socket that knows its one peer, where the port is registered for UDP', async () => {
    const echo = await startDatagramEcho('dns');
    closing.push(() => echo.close());
    const upstream = { host: '127.0.0.1', port: echo.port, transport: 'udp' as const };
    const { tell, next } = await connector(registration());
    tell({ type: 'register', registration: registration({ upstreams: [upstream] }) });
    tell({ ...dialOf(echo.port), upstream });
    const [message, handle] = await next();
    expect(message).toEqual({ type: 'dialled', id: 7, network: 'lab', address: '127.0.0.1' });
    if (!isUdpHandle(handle)) throw new Error('no handle came');
    const socket = wrapUdpHandle(handle, 4);
    socket.send('who');
    const [answer] = (await once(socket, 'message')) as [Buffer];
    expect(answer.toString()).toBe('dns:who');
    // What others send to it the kernel drops.
    const stranger = await startDatagramEcho('stranger');
    closing.push(() => stranger.close());
    stranger.tell(`127.0.0.1:${socket.address().port}`, 'let me in');
    socket.send('again');
    const [heard] = (await once(socket, 'message')) as [Buffer];
    expect(heard.toString()).toBe('dns:again');
    expect(socket.remoteAddress()).toMatchObject({ address: '127.0.0.1', port: echo.port });
    socket.close();
  });

  it('takes a port that is registered for TCP for no UDP port, and the reverse', async () => {
    const { tell, next } = await connector(registration());
    const tcp = { host: '127.0.0.1', port: greeter.port };
    const udp = { ...tcp, transport: 'udp' as const };
    tell({ type: 'register', registration: registration({ upstreams: [tcp] }) });
    tell({ ...dialOf(greeter.port), upstream: udp });
    expect((await next())[0]).toMatchObject({ type: 'dial-failed', failure: 'not-registered' });
    tell({ type: 'register', registration: registration({ upstreams: [udp] }) });
    tell(dialOf(greeter.port));
    expect((await next())[0]).toMatchObject({ type: 'dial-failed', failure: 'not-registered' });
    expect(greeter.peers).toEqual([]);
  });

  it('dials nothing before it is told what is registered, and then nothing else, whoever asks', async () => {
    const { tell, next } = await connector(registration());
    tell(dialOf(greeter.port));
    expect((await next())[0]).toMatchObject({ type: 'dial-failed', id: 7, failure: 'not-registered' });
    tell({ type: 'register', registration: registration({ upstreams: [{ host: '127.0.0.1', port: 1 }] }) });
    tell(dialOf(greeter.port));
    expect((await next())[0]).toMatchObject({ type: 'dial-failed', id: 7, failure: 'not-registered' });
    expect(greeter.peers).toEqual([]);
    tell({ type: 'register', registration: registration() });
    tell(dialOf(greeter.port));
    const [message, handle] = await next();
    expect(message.type).toBe('dialled');
    if (isTcpHandle(handle)) handle.close();
  });

  it('ends when the supervisor is gone, and not by signals that are meant for it', async () => {
    const { child, tell, next, end } = await connector(registration());
    child.kill('SIGINT');
    child.kill('SIGTERM');
    tell(dialOf(1));
    expect((await next())[0]).toMatchObject({ type: 'dial-failed' });
    await end();
    expect(child.exitCode).toBe(0);
  });
});

const prober = join(import.meta.dirname, 'fixtures/prober.ts');
/** What the prober says, which it says in place of `ready`. */
async function probe(command: ReturnType<typeof connectorCommand>): Promise<unknown> {
  if ('problem' in command) throw new Error(command.problem);
  const { file, args, env, ...ids } = command;
  const child = spawn(file, [...args], { stdio: ['ignore', 2, 2, 'ipc'], env, ...ids });
  const [said] = (await once(child, 'message')) as [unknown];
  const ended = once(child, 'exit');
  child.disconnect();
  await ended;
  return said;
}

describe('the rights of a connector', () => {
  it('end at its own program: no file, no process', async () => {
    expect(await probe(connectorCommand(prober, registration(), {}))).toMatchObject({
      readsFile: 'ERR_ACCESS_DENIED',
      writesFile: 'ERR_ACCESS_DENIED',
      runsProgram: 'ERR_ACCESS_DENIED',
      readsItself: 'done',
    });
  });

  const runAs = { uid: 65_534, gid: 65_534 };
  const others = spawnSync(process.execPath, [prober], { ...runAs, stdio: 'ignore' });
  const obstacle =
    others.status === 0 ? undefined : 'user 65534 cannot read this checkout: put it where all users may';
  const title = 'as another user, in a namespace';
  describe.runIf(namespacesAvailable() && obstacle === undefined)(
    obstacle === undefined ? titleWithNamespaces(title) : `${title} [skipped: ${obstacle}]`,
    () => {
      it('are those of that user, who belongs to no other group', async () => {
        const namespace = createNamespace(['10.0.0.2']);
        closing.push(() => namespace.remove());
        const inside = registration({ attach: { netns: namespace.name } });
        const idsOf = async (...user: [typeof runAs] | []) => {
          const { ids } = (await probe(connectorCommand(prober, inside, {}, ...user))) as { ids: number[] };
          return [...new Set(ids)];
        };
        expect(await idsOf(runAs)).toEqual([65_534]);
        expect(await idsOf()).toContain(0);
      });
    },
  );
});
