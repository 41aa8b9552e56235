import type { WorkerMessage } from '../contract/ipc.ts';
import type { ConnectorPool } from './connector-pool.ts';
import type { Workers } from './workers.ts';

type Dial = Extract<WorkerMessage, { type: 'dial' }>;

/**
 * Dials that one worker may have asked for without having taken the answers. A worker that asks and never takes would
 * else leave its sockets with the supervisor, until there are none for the others.
 */
const maxUntaken = 8192;

/** Asks connectors for the sockets that workers want, and hands them over. */
export interface DialRelay {
  dial(worker: number, message: Dial): void;
  /** The worker is gone, and with it what it was owed. */
  forget(worker: number): void;
}

/**
 * The raw handle goes from the connector's channel to the worker's, and the copy here is freed as soon as it was sent. No
 * `net.Socket` is made of it on the way: it would start to read, and eat what a server says first.
 */
export function createDialRelay(
  connectors: Pick<ConnectorPool, 'dial'>,
  workers: Pick<Workers, 'send'>,
  most = maxUntaken,
): DialRelay {
  const untaken = new Map<number, number>();
  const settle = (worker: number): void => {
    const count = untaken.get(worker);
    if (count !== undefined) untaken.set(worker, count - 1);
  };
  return {
    dial(worker, { id, network, upstream }) {
      const count = untaken.get(worker) ?? 0;
      if (count >= most) {
        const detail = `${most} dials of this worker are not done yet`;
        workers.send(worker, { type: 'dial-failed', id, failure: 'connector-unavailable', detail });
        return;
      }
      untaken.set(worker, count + 1);
      const { host, port, transport } = upstream;
      // Rebuilt: whatever else a worker wrote into it goes no further.
      const asked = transport === undefined ? { host, port } : { host, port, transport };
      connectors.dial(network, asked, (result) => {
        if ('failure' in result) {
          const { failure, detail } = result;
          workers.send(worker, { type: 'dial-failed', id, failure, detail }, undefined, () => settle(worker));
          return;
        }
        const { handle, address, network: origin } = result;
        // Also when the worker is gone: nothing else holds this handle.
        workers.send(worker, { type: 'dialled', id, network: origin, address }, handle, () => {
          handle.close();
          settle(worker);
        });
      });
    },
    forget: (worker) => void untaken.delete(worker),
  };
}
