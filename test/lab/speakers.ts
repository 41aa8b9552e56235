import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** A server in this process that speaks first, then echoes. */
export interface Greeter {
  readonly port: number;
  /** Addresses that connected, in order. */
  readonly peers: readonly string[];
  /** Connections that have not ended. */
  readonly open: number;
  close(): Promise<void>;
}

export async function startGreeter(greeting: string, address = '127.0.0.1', port = 0): Promise<Greeter> {
  const peers: string[] = [];
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => undefined);
    peers.push(socket.remoteAddress ?? '');
    socket.write(greeting);
    socket.pipe(socket);
  });
  server.listen(port, address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    peers,
    get open() {
      return open.size;
    },
    async close() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}
