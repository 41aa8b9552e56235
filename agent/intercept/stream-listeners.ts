import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Socket } from 'node:net';
import type { Endpoint } from './app-endpoints.ts';
import { createListeners } from './listeners.ts';
import type { Listener, Listeners, Place } from './listeners.ts';

/**
 * Listens for connections. What was accepted goes on when its listener is closed: whether it may is the gateway's to say.
 * @param use gets each connection unread, and may refuse it by destroying it.
 */
export function createStreamListeners(
  use: (socket: Socket, endpoint: Endpoint) => void,
  maxConnections: number,
): Listeners {
  const connections = new Set<Socket>();

  const accept = (socket: Socket, place: Place): void => {
    socket.on('error', () => socket.destroy());
    if (connections.size >= maxConnections) return void socket.resetAndDestroy();
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    use(socket, place);
  };

  const listen = async (place: Place): Promise<Listener> => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      accept(socket, place),
    );
    server.listen({ host: place.address, port: place.port, exclusive: true });
    await once(server, 'listening');
    server.on('error', () => undefined);
    return server;
  };

  const listeners = createListeners(listen);
  return {
    ...listeners,
    close: () => {
      listeners.close();
      for (const socket of connections) socket.destroy();
    },
  };
}
