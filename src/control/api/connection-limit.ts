import type { Server, Socket } from 'node:net';
import { addressBlock } from '../failure-limit.ts';

/**
 * Bounds what strangers can hold open before and after the handshake: connections of one address, and of all. What is
 * over the bound is closed without a word.
 */
export function limitConnections(
  server: Server,
  bounds: { readonly perAddress: number; readonly total: number },
): void {
  server.maxConnections = bounds.total;
  const open = new Map<string, number>();
  server.on('connection', (socket: Socket) => {
    const block = addressBlock(socket.remoteAddress ?? '');
    const count = (open.get(block) ?? 0) + 1;
    if (count > bounds.perAddress) {
      socket.destroy();
      return;
    }
    open.set(block, count);
    socket.once('close', () => {
      const left = (open.get(block) ?? 1) - 1;
      if (left === 0) open.delete(block);
      else open.set(block, left);
    });
  });
}
