import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { pauseAfterRefusalMs, startDatagramFlow } from '../proxy/datagram-flow.ts';
import type { DatagramFlow } from '../proxy/datagram-flow.ts';
import type { Endpoint } from './app-endpoints.ts';
import { createListeners } from './listeners.ts';
import type { Listener, Listeners, Place } from './listeners.ts';

/** Opens the way of one flow; undefined where it was refused. Never rejects. */
export type OpenDatagrams = (endpoint: Endpoint) => Promise<Duplex | undefined>;

/**
 * Listens for datagrams. All that one port of a program sends to one place is a flow (RFC 9298), which ends when the gateway
 * has seen nothing move for its time.
 * @param sleep resolves after so many milliseconds.
 */
export function createDatagramListeners(
  open: OpenDatagrams,
  maxFlows: number,
  sleep: (ms: number) => Promise<void>,
): Listeners {
  let flows = 0;

  const listen = async (place: Place): Promise<Listener> => {
    const socket = createSocket({ type: 'udp4' });
    socket.bind({ address: place.address, port: place.port, exclusive: true });
    try {
      await once(socket, 'listening');
    } catch (error) {
      socket.close();
      throw error;
    }
    // A datagram that could not be sent to a program that is gone.
    socket.on('error', () => undefined);
    const bySource = new Map<string, DatagramFlow>();
    socket.on('message', (payload, source) => {
      const key = `${source.address}:${source.port}`;
      let flow = bySource.get(key);
      if (flow === undefined) {
        if (flows >= maxFlows) return;
        flows += 1;
        flow = startDatagramFlow(
          () => open(place),
          (answer) => socket.send(answer, source.port, source.address),
        );
        bySource.set(key, flow);
        void flow.ended
          .then((wasOpen) => (wasOpen ? undefined : sleep(pauseAfterRefusalMs)))
          .then(() => {
            flows -= 1;
            bySource.delete(key);
          });
      }
      flow.send(payload);
    });
    return {
      close: () => {
        socket.close();
        for (const flow of bySource.values()) flow.end();
      },
    };
  };

  return createListeners(listen);
}
