import { once } from 'node:events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { NetworkRegistration, UpstreamAddress } from '../../src/contract/ipc.ts';
import { dialUpstream } from '../../src/routing/dial-upstream.ts';
import { startGreeter } from '../lab/speakers.ts';
import type { Greeter } from '../lab/speakers.ts';

let greeter: Greeter;
beforeEach(async () => {
  greeter = await startGreeter('220 mail\r\n');
});
afterEach(() => greeter.close());

const dial = (upstream: UpstreamAddress, more: Partial<NetworkRegistration> = {}) =>
  dialUpstream(
    {
      name: 'lab',
      attach: { direct: true },
      dns: [],
      upstreams: [{ host: '127.0.0.1', port: greeter.port }],
      ...more,
    },
    upstream,
    2000,
  );

describe('dialling an upstream', () => {
  it('reaches what is registered, and reads nothing of it before the owner does', async () => {
    const { socket, address } = await dial({ host: '127.0.0.1', port: greeter.port });
    expect([address, socket.bytesRead]).toEqual(['127.0.0.1', 0]);
    socket.resume();
    const [banner] = (await once(socket, 'data')) as [Buffer];
    expect(banner.toString()).toBe('220 mail\r\n');
    socket.destroy();
  });

  it('reaches nothing else: no port and no address that no app registers', async () => {
    const registered = [{ host: '127.0.0.1', port: greeter.port + 1 }];
    // One after the other: each must have been refused before the count is read.
    // oxlint-disable-next-line no-await-in-loop
    for (const host of ['127.0.0.1', 'localhost', '::ffff:127.0.0.1', '127.1'])
      await expect(dial({ host, port: greeter.port }, { upstreams: registered })).rejects.toMatchObject({
        failure: 'not-registered',
      });
    expect(greeter.peers).toEqual([]);
  });

  it('resolves a name by this machine only where the network is this machine', async () => {
    const upstream = { host: 'localhost', port: greeter.port };
    const { socket } = await dial(upstream, { upstreams: [upstream] });
    socket.destroy();
    await expect(
      dial(upstream, { upstreams: [upstream], attach: { sourceAddress: '127.0.0.1' } }),
    ).rejects.toMatchObject({ failure: 'name-unresolved' });
  });

  it('says that a source address of one family cannot reach the other', async () => {
    await expect(
      dial({ host: '127.0.0.1', port: greeter.port }, { attach: { sourceAddress: '::1' } }),
    ).rejects.toMatchObject({ failure: 'unreachable' });
  });
});
