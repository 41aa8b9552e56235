import { createSocket } from 'node:dgram';
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

/** A UDP service in this process that answers each datagram with its own name and what came. */
export interface DatagramEcho {
  readonly port: number;
  /** `address:port` of whoever sent something, in order, each once. */
  readonly peers: readonly string[];
  /** Sends something to a peer that did not ask. */
  tell(peer: string, text: string | Buffer): void;
  close(): Promise<void>;
}

export async function startDatagramEcho(name: string): Promise<DatagramEcho> {
  const socket = createSocket('udp4');
  const peers: string[] = [];
  socket.on('message', (message, { address, port }) => {
    if (!peers.includes(`${address}:${port}`)) peers.push(`${address}:${port}`);
    socket.send(Buffer.concat([Buffer.from(`${name}:`), message]), port, address);
  });
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    peers,
    tell(peer, text) {
      const [address = '', port = ''] = peer.split(':');
      socket.send(text, Number(port), address);
    },
    async close() {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}

/** A UDP service in this process that takes what comes and never answers. */
export interface DatagramSink {
  readonly port: number;
  /** Resolves once something came. */
  heard(): Promise<void>;
  close(): Promise<void>;
}

export async function startDatagramSink(): Promise<DatagramSink> {
  const socket = createSocket('udp4');
  const first = once(socket, 'message');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    port: socket.address().port,
    async heard() {
      await first;
    },
    async close() {
      const closed = once(socket, 'close');
      socket.close();
      await closed;
    },
  };
}
