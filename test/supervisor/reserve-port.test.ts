import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { expect, it } from 'vitest';
import { reservePort } from '../../src/supervisor/reserve-port.ts';

it('keeps a port for those who share it, and takes no connection itself', async () => {
  const reserved = reservePort('127.0.0.1');
  if (reserved === undefined) throw new Error('this Node has no bound sockets');
  const { port } = reserved;
  expect(port).toBeGreaterThan(0);
  const workers = [createServer(), createServer()];
  let accepted = 0;
  for (const worker of workers) {
    worker.on('connection', (socket) => {
      accepted += 1;
      socket.end();
    });
    worker.listen({ port, host: '127.0.0.1', reusePort: true });
    await once(worker, 'listening');
  }
  for (let client = 0; client < 40; client++) {
    const socket = connect(port, '127.0.0.1');
    socket.resume();
    await once(socket, 'close');
  }
  expect(accepted).toBe(40);
  for (const worker of workers) worker.close();
  reserved.release();
});
