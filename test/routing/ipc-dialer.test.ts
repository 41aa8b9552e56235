import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WorkerMessage } from '../../src/contract/ipc.ts';
import { createIpcDialer } from '../../src/routing/ipc-dialer.ts';
import { startGreeter } from '../lab/speakers.ts';
import type { Greeter } from '../lab/speakers.ts';
import { dialHandle } from './handles.ts';

let greeter: Greeter;
beforeEach(async () => {
  greeter = await startGreeter('SSH-2.0-Lab\r\n');
});
afterEach(() => greeter.close());

type Dial = Extract<WorkerMessage, { type: 'dial' }>;
const upstream = { host: '10.0.0.2', port: 22 };
function labDialer(options: { timeoutMs?: number; maxPending?: number } = {}) {
  const sent: Dial[] = [];
  const dialer = createIpcDialer({ send: (message) => void sent.push(message), timeoutMs: 5000, ...options });
  return { dialer, sent };
}

describe('the dialer of a worker', () => {
  it('asks for a network and an upstream, and gives the socket that comes, unread', async () => {
    const { dialer, sent } = labDialer();
    const dialled = dialer.dial('finance', upstream);
    expect(sent).toEqual([{ type: 'dial', id: 1, network: 'finance', upstream }]);
    dialer.receive(
      { type: 'dialled', id: 1, network: 'finance', address: '10.0.0.2' },
      await dialHandle(greeter.port),
    );
    const { socket, address } = await dialled;
    expect(address).toBe('10.0.0.2');
    expect([socket.bytesRead, socket.readableFlowing]).toEqual([0, null]);
    const [banner] = (await once(socket, 'data')) as [Buffer];
    expect(banner.toString()).toBe('SSH-2.0-Lab\r\n');
    socket.destroy();
    expect(dialer.pending).toBe(0);
  });

  it('gives each answer to the dial that it is for, in whatever order they come', async () => {
    const { dialer, sent } = labDialer();
    const [first, second] = [dialer.dial('finance', upstream), dialer.dial('school', upstream)];
    dialer.receive(
      { type: 'dialled', id: sent[1]?.id ?? 0, network: 'school', address: 'b' },
      await dialHandle(greeter.port),
    );
    dialer.receive(
      { type: 'dialled', id: sent[0]?.id ?? 0, network: 'finance', address: 'a' },
      await dialHandle(greeter.port),
    );
    const dialled = await Promise.all([first, second]);
    expect(dialled.map(({ address }) => address)).toEqual(['a', 'b']);
    for (const { socket } of dialled) socket.destroy();
  });

  it('fails as the connector says', async () => {
    const { dialer } = labDialer();
    const dialled = dialer.dial('finance', upstream);
    dialer.receive({ type: 'dial-failed', id: 1, failure: 'unreachable', detail: 'ECONNREFUSED' }, undefined);
    await expect(dialled).rejects.toMatchObject({
      name: 'DialError',
      failure: 'unreachable',
      detail: 'ECONNREFUSED',
    });
  });

  it('fails when the socket did not survive the way', async () => {
    const { dialer } = labDialer();
    const dialled = dialer.dial('finance', upstream);
    dialer.receive({ type: 'dialled', id: 1, network: 'finance', address: 'a' }, undefined);
    await expect(dialled).rejects.toMatchObject({ failure: 'unreachable' });
  });

  it('gives up after the time-out, and closes a socket that comes later', async () => {
    const { dialer } = labDialer({ timeoutMs: -490 });
    await expect(dialer.dial('finance', upstream)).rejects.toMatchObject({ failure: 'timeout' });
    let isClosed = false;
    const handle = await dialHandle(greeter.port);
    const close = handle.close.bind(handle);
    handle.close = () => {
      isClosed = true;
      close();
    };
    dialer.receive({ type: 'dialled', id: 1, network: 'finance', address: 'a' }, handle);
    expect(isClosed).toBe(true);
  });

  it('gives up when whoever asked does, with their reason, and asks nothing for one who has already', async () => {
    const { dialer, sent } = labDialer();
    const leaving = new AbortController();
    const dialled = dialer.dial('finance', upstream, { signal: leaving.signal });
    leaving.abort(new Error('client left'));
    await expect(dialled).rejects.toThrow('client left');
    await expect(dialer.dial('finance', upstream, { signal: leaving.signal })).rejects.toThrow('client left');
    expect([sent.length, dialer.pending]).toEqual([1, 0]);
  });

  it('refuses more dials at once than it may have under way, and takes them again when one ends', async () => {
    const { dialer, sent } = labDialer({ maxPending: 1 });
    const dialled = dialer.dial('finance', upstream);
    await expect(dialer.dial('finance', upstream)).rejects.toMatchObject({
      failure: 'connector-unavailable',
    });
    dialer.receive({ type: 'dial-failed', id: 1, failure: 'timeout', detail: '' }, undefined);
    await expect(dialled).rejects.toMatchObject({ failure: 'timeout' });
    const again = dialer.dial('finance', upstream);
    expect(sent).toHaveLength(2);
    dialer.receive({ type: 'dial-failed', id: 2, failure: 'timeout', detail: '' }, undefined);
    await expect(again).rejects.toMatchObject({ failure: 'timeout' });
  });

  it('fails, and holds nothing, when the supervisor is gone', async () => {
    const dialer = createIpcDialer({
      send: () => {
        throw new Error('channel closed');
      },
      timeoutMs: 5000,
    });
    await expect(dialer.dial('finance', upstream)).rejects.toMatchObject({
      failure: 'connector-unavailable',
    });
    expect(dialer.pending).toBe(0);
  });

  it('overlooks an answer to nothing that was asked', () => {
    const { dialer } = labDialer();
    dialer.receive({ type: 'dial-failed', id: 99, failure: 'timeout', detail: '' }, undefined);
    dialer.receive({ type: 'dialled', id: 99, network: 'finance', address: 'a' }, undefined);
    expect(dialer.pending).toBe(0);
  });
});
