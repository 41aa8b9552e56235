import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

/** Reads messages in octet counting (RFC 6587) over TCP, and keeps those that came whole. */
export interface OctetReceiver {
  readonly port: number;
  readonly messages: readonly string[];
  stop(): void;
}

export async function startOctetReceiver(): Promise<OctetReceiver> {
  const messages: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    let held: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      held = Buffer.concat([held, chunk]);
      for (;;) {
        const space = held.indexOf(0x20);
        const length = Number(held.toString('latin1', 0, Math.max(space, 0)));
        if (space < 1 || held.length < space + 1 + length) return;
        messages.push(held.toString('utf8', space + 1, space + 1 + length));
        held = held.subarray(space + 1 + length);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    messages,
    stop() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}
