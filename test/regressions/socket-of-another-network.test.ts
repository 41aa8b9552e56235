import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createIpcDialer } from '../../src/routing/ipc-dialer.ts';
import { startGreeter } from '../lab/speakers.ts';
import type { Greeter } from '../lab/speakers.ts';
import { dialHandle } from '../routing/handles.ts';
import { dial, startServing } from '../supervisor/server.ts';

/**
 * @fastify/reply-from GHSA-v574-6498-x57v: connections were kept under a key made by joining strings; two pairs of
 * upstream and path made one key, and a request for one application went to another. With private networks that use the
 * same addresses, a mixed-up connection is one into another agency, which answers as if it were right. Here nothing is
 * kept under a joined key, and whoever receives a socket holds the network that it says it comes from against the one that
 * was asked for: the supervisor for the connector's answer, the worker for the supervisor's.
 */
const upstream = { host: '10.0.0.2', port: 22 };
const closing: (() => Promise<void>)[] = [];
let greeter: Greeter;
beforeEach(async () => {
  greeter = await startGreeter('hello');
  closing.push(() => greeter.close());
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe('a socket that comes from another network than the one asked for', () => {
  it('is closed and refused by the worker; from the right one it is taken', async () => {
    const dialer = createIpcDialer({ send: () => undefined, timeoutMs: 5000 });
    const wrong = dialer.dial('finance', upstream);
    const right = dialer.dial('finance', upstream);
    const handles = [await dialHandle(greeter.port), await dialHandle(greeter.port)];
    const refused = expect(wrong).rejects.toMatchObject({
      failure: 'isolation-breach',
      detail: 'asked for a socket in finance, got one in school',
    });
    dialer.receive({ type: 'dialled', id: 1, network: 'school', address: '10.0.0.2' }, handles[0]);
    dialer.receive({ type: 'dialled', id: 2, network: 'finance', address: '10.0.0.2' }, handles[1]);
    await refused;
    const { socket } = await right;
    await expect.poll(() => greeter.open).toBe(1);
    socket.destroy();
  });

  it('is closed and refused by the supervisor, when a connector answers in the name of another', async () => {
    const connector = join(import.meta.dirname, 'fixtures/lying-connector.ts');
    const at = { host: '127.0.0.1', port: greeter.port };
    const networks = ['finance', 'school'].map((name) => ({
      name,
      attach: { direct: true as const },
      dns: [],
      upstreams: [at],
    }));
    const server = await startServing(networks, {}, { connector });
    closing.push(() => server.close());
    expect(await dial(server.worker, 'finance', at)).toEqual({
      event: 'dial-error',
      failure: 'isolation-breach',
      detail: 'asked for a socket in finance, got one in school',
    });
    await expect.poll(() => greeter.open).toBe(0);
    expect(await dial(server.worker, 'school', at)).toMatchObject({ banner: 'hello' });
  });
});
