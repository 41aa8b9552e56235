import { isIPv6 } from 'node:net';
import type { SupervisorToWorker, UpstreamAddress, WorkerMessage } from '../contract/ipc.ts';
import { DialError } from './dialer.ts';
import type { Dialer } from './dialer.ts';
import { isSocketHandle, isTcpHandle, isUdpHandle, wrapHandle, wrapUdpHandle } from './wrap-handle.ts';
import type { SocketHandle } from './wrap-handle.ts';

type DialAnswer = Extract<SupervisorToWorker, { type: 'dialled' | 'dial-failed' }>;

/** The dialer of a worker: it asks the supervisor, which asks the connector of the network. */
export interface IpcDialer extends Dialer {
  /** To be given every `dialled` and `dial-failed`, with what came beside it. Never throws. */
  receive(answer: DialAnswer, handle: unknown): void;
  /** Dials under way. */
  readonly pending: number;
}

interface Pending {
  readonly network: string;
  /** False for a handle of another kind than was asked for. */
  readonly take: (handle: SocketHandle, address: string) => boolean;
  readonly reject: (error: unknown) => void;
}

/**
 * @param parts.timeoutMs `limits.dialTimeoutMs`; the dial fails a little later than the connector's own time-out would
 *   say so, and a socket that comes later still is closed.
 * @param parts.maxPending dials under way at once; more are refused, since each holds a flow and its memory.
 */
export function createIpcDialer(parts: {
  readonly send: (message: Extract<WorkerMessage, { type: 'dial' }>) => void;
  readonly timeoutMs: number;
  readonly maxPending?: number;
}): IpcDialer {
  const { send, timeoutMs, maxPending = 4096 } = parts;
  const pending = new Map<number, Pending>();
  let lastId = 0;

  /** @param wrap makes of a handle of the right kind what was asked for. */
  const ask = <Wanted>(
    network: string,
    upstream: UpstreamAddress,
    signal: AbortSignal | undefined,
    wrap: (handle: SocketHandle, address: string) => Wanted | undefined,
  ): Promise<Wanted> => {
    if (pending.size >= maxPending)
      return Promise.reject(
        new DialError('connector-unavailable', `${maxPending} dials are under way already`),
      );
    const id = ++lastId;
    return new Promise((resolve, reject) => {
      const finish = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', abort);
        pending.delete(id);
      };
      const abort = (): void => {
        finish();
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        finish();
        reject(new DialError('timeout', `no answer from the connector in ${timeoutMs + graceMs} ms`));
      }, timeoutMs + graceMs);
      if (signal?.aborted === true) return abort();
      signal?.addEventListener('abort', abort, { once: true });
      pending.set(id, {
        network,
        take: (handle, address) => {
          const wanted = wrap(handle, address);
          if (wanted === undefined) return false;
          finish();
          resolve(wanted);
          return true;
        },
        reject: (error) => {
          finish();
          reject(error);
        },
      });
      try {
        send({ type: 'dial', id, network, upstream });
      } catch (error) {
        finish();
        reject(new DialError('connector-unavailable', `the supervisor is gone: ${String(error)}`));
      }
    });
  };

  return {
    get pending() {
      return pending.size;
    },
    dial: (network, upstream, { signal, onread } = {}) =>
      ask(network, upstream, signal, (handle, address) =>
        isTcpHandle(handle) ? { socket: wrapHandle(handle, onread), address } : undefined,
      ),
    dialDatagrams: (network, upstream, signal) =>
      ask(network, upstream, signal, (handle, address) =>
        isUdpHandle(handle) ? { socket: wrapUdpHandle(handle, isIPv6(address) ? 6 : 4), address } : undefined,
      ),
    receive(answer, handle) {
      const asked = pending.get(answer.id);
      if (answer.type === 'dial-failed') {
        asked?.reject(new DialError(answer.failure, answer.detail));
        return;
      }
      const arrived = isSocketHandle(handle) ? handle : undefined;
      if (asked === undefined) {
        // Whoever asked has given up.
        arrived?.close();
        return;
      }
      if (answer.network !== asked.network) {
        arrived?.close();
        asked.reject(
          new DialError(
            'isolation-breach',
            `asked for a socket in ${asked.network}, got one in ${answer.network}`,
          ),
        );
        return;
      }
      if (arrived === undefined) {
        asked.reject(new DialError('unreachable', 'the connection was gone before it was handed over'));
        return;
      }
      if (asked.take(arrived, answer.address)) return;
      arrived.close();
      asked.reject(
        new DialError('connector-unavailable', 'a socket of another kind than was asked for came'),
      );
    },
  };
}

/** How much longer to wait than the connector, whose answer says more. */
const graceMs = 500;
