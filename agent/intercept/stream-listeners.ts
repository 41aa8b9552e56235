import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Server, Socket } from 'node:net';
import type { Endpoint } from './app-endpoints.ts';
import { listenProblemOf } from './listen-problem.ts';
import type { ListenProblem } from './listen-problem.ts';

/** An endpoint at the loopback address of its host. */
export interface Place extends Endpoint {
  readonly address: string;
}

export interface ClosedPlace extends Place {
  readonly problem: ListenProblem;
}

/** Listens at the addresses of applications. */
export interface StreamListeners {
  /** Listens at these places and no others. What could not be opened is tried again at the next call. */
  sync(places: readonly Place[]): Promise<void>;
  open(): readonly Place[];
  closed(): readonly ClosedPlace[];
  close(): void;
}

/** An address stands for one host at a time, so address and port say which listener it is. */
const keyOf = ({ address, port }: Place): string => `${address}:${port}`;

/** @param use gets each connection unread, and may refuse it by destroying it. */
export function createStreamListeners(
  use: (socket: Socket, endpoint: Endpoint) => void,
  maxConnections: number,
): StreamListeners {
  const servers = new Map<string, { readonly server: Server; readonly place: Place }>();
  const connections = new Set<Socket>();
  let closed: readonly ClosedPlace[] = [];
  let isOver = false;
  let syncing: Promise<void> = Promise.resolve();

  const accept = (socket: Socket, place: Place): void => {
    socket.on('error', () => socket.destroy());
    if (connections.size >= maxConnections) return void socket.resetAndDestroy();
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    use(socket, place);
  };

  const openOne = async (place: Place): Promise<ClosedPlace | undefined> => {
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) =>
      accept(socket, place),
    );
    try {
      server.listen({ host: place.address, port: place.port, exclusive: true });
      await once(server, 'listening');
    } catch (error) {
      return { ...place, problem: listenProblemOf(error) };
    }
    server.on('error', () => undefined);
    if (isOver) server.close();
    else servers.set(keyOf(place), { server, place });
    return undefined;
  };

  const syncNow = async (places: readonly Place[]): Promise<void> => {
    const wanted = new Map(places.map((place) => [keyOf(place), place]));
    for (const [key, { server, place }] of servers) {
      if (wanted.get(key)?.host === place.host) continue;
      // What it accepted goes on: whether it may is the gateway's to say.
      server.close();
      servers.delete(key);
    }
    const missing = [...wanted].filter(([key]) => !servers.has(key)).map(([, place]) => place);
    const failed = await Promise.all(missing.map(openOne));
    closed = failed.filter((one) => one !== undefined);
  };

  return {
    sync: (places) => (syncing = syncing.then(() => (isOver ? undefined : syncNow(places)))),
    open: () => [...servers.values()].map(({ place }) => place),
    closed: () => closed,
    close: () => {
      isOver = true;
      for (const { server } of servers.values()) server.close();
      servers.clear();
      for (const socket of connections) socket.destroy();
    },
  };
}
