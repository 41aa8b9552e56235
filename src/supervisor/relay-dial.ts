import type { WorkerMessage } from '../contract/ipc.ts';
import type { ConnectorPool } from './connector-pool.ts';
import type { Workers } from './workers.ts';

/**
 * A worker's dial: asked of the network's connector, answered with the raw handle, of which the copy here is freed as
 * soon as it was sent. No `net.Socket` is made of it on the way: it would start to read, and eat what a server says first.
 */
export function relayDial(
  connectors: Pick<ConnectorPool, 'dial'>,
  workers: Pick<Workers, 'send'>,
  worker: number,
  { id, network, upstream }: Extract<WorkerMessage, { type: 'dial' }>,
): void {
  connectors.dial(network, { host: upstream.host, port: upstream.port }, (result) => {
    if ('failure' in result) {
      const { failure, detail } = result;
      workers.send(worker, { type: 'dial-failed', id, failure, detail });
      return;
    }
    const { handle, address, network: origin } = result;
    // Also when the worker is gone: nothing else holds this handle.
    workers.send(worker, { type: 'dialled', id, network: origin, address }, handle, () => handle.close());
  });
}
