import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkRegistration } from '../../src/contract/ipc.ts';
import { createDirectDialer } from '../../src/routing/direct-dialer.ts';
import { startGreeter } from '../lab/speakers.ts';
import type { Greeter } from '../lab/speakers.ts';

let greeter: Greeter;
beforeEach(async () => {
  greeter = await startGreeter('220 mail\r\n');
});
afterEach(() => greeter.close());
const dialerOf = (more: Partial<NetworkRegistration> = {}) =>
  createDirectDialer({
    timeoutMs: 2000,
    registrations: () => [
      {
        name: 'lab',
        attach: { direct: true },
        dns: [],
        upstreams: [{ host: '127.0.0.1', port: greeter.port }],
        ...more,
      },
    ],
  });

describe('a dialer without connectors', () => {
  it('dials what is registered, and gives the socket unread', async () => {
    const { socket, address } = await dialerOf().dial('lab', { host: '127.0.0.1', port: greeter.port });
    expect([address, socket.bytesRead, socket.readableFlowing]).toEqual(['127.0.0.1', 0, null]);
    const [banner] = (await once(socket, 'data')) as [Buffer];
    expect(banner.toString()).toBe('220 mail\r\n');
    socket.destroy();
  });

  it('dials nothing else: another port, another network', async () => {
    const dialer = dialerOf({ upstreams: [] });
    await expect(dialer.dial('lab', { host: '127.0.0.1', port: greeter.port })).rejects.toMatchObject({
      failure: 'not-registered',
    });
    await expect(dialer.dial('other', { host: '127.0.0.1', port: greeter.port })).rejects.toMatchObject({
      failure: 'not-registered',
    });
    expect(greeter.peers).toEqual([]);
  });

  it('enters no namespace, and does not dial from outside what lies in one', async () => {
    const dialer = dialerOf({ attach: { netns: 'pn-finance' } });
    await expect(dialer.dial('lab', { host: '127.0.0.1', port: greeter.port })).rejects.toMatchObject({
      failure: 'connector-unavailable',
    });
    expect(greeter.peers).toEqual([]);
  });

  it('resolves a name by this machine only where the network is this machine', async () => {
    const upstreams = [{ host: 'localhost', port: greeter.port }];
    const { socket } = await dialerOf({ upstreams }).dial('lab', { host: 'localhost', port: greeter.port });
    socket.destroy();
    const elsewhere = dialerOf({ upstreams, attach: { sourceAddress: '127.0.0.1' } });
    await expect(elsewhere.dial('lab', { host: 'localhost', port: greeter.port })).rejects.toMatchObject({
      failure: 'name-unresolved',
    });
  });

  it('says that a source address of one family cannot reach the other', async () => {
    const dialer = dialerOf({ attach: { sourceAddress: '::1' } });
    await expect(dialer.dial('lab', { host: '127.0.0.1', port: greeter.port })).rejects.toMatchObject({
      failure: 'unreachable',
    });
  });

  it('does not dial for one who has left', async () => {
    const signal = AbortSignal.abort(new Error('client left'));
    await expect(dialerOf().dial('lab', { host: '127.0.0.1', port: greeter.port }, signal)).rejects.toThrow(
      'client left',
    );
    expect(greeter.peers).toEqual([]);
  });
});
