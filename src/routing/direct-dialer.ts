import type { NetworkRegistration } from '../contract/ipc.ts';
import { dialUpstream } from './dial-upstream.ts';
import { DialError } from './dialer.ts';
import type { Dialer } from './dialer.ts';

/**
 * A dialer without connectors, for gateways that run in one process: it dials from here, what is registered and
 * nothing else, for networks that are attached directly or by a source address. A namespace it cannot enter.
 */
export function createDirectDialer(parts: {
  readonly registrations: () => readonly NetworkRegistration[];
  readonly timeoutMs: number;
}): Dialer {
  return {
    async dial(network, upstream, signal) {
      signal?.throwIfAborted();
      const registration = parts.registrations().find(({ name }) => name === network);
      if (registration === undefined) throw new DialError('not-registered', `there is no network ${network}`);
      const { attach } = registration;
      if (!('direct' in attach || 'sourceAddress' in attach)) {
        throw new DialError('connector-unavailable', `network ${network} needs a connector`);
      }
      const dialled = await dialUpstream(registration, upstream, parts.timeoutMs);
      if (signal?.aborted === true) {
        dialled.socket.destroy();
        signal.throwIfAborted();
      }
      // As sockets from connectors are: not flowing, but ready to flow for whoever reads. A paused one waits for resume().
      forgetPause(dialled.socket);
      return dialled;
    },
  };
}

function forgetPause(socket: { readableFlowing: boolean | null }): void {
  socket.readableFlowing = null;
}
