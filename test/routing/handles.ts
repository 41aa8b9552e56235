import { once } from 'node:events';
import { connect } from 'node:net';
import { handleOf } from '../../src/routing/wrap-handle.ts';
import type { TcpHandle } from '../../src/routing/wrap-handle.ts';

/** The raw handle of a real connection, as it comes out of a channel: nothing of it read, no socket around it. */
export async function dialHandle(port: number): Promise<TcpHandle> {
  const socket = connect({ port, host: '127.0.0.1' });
  socket.pause();
  await once(socket, 'connect');
  const handle = handleOf(socket);
  if (handle === undefined) throw new Error('closed at once');
  // The handle is taken out of its socket, which is then only an empty shell.
  (socket as unknown as { _handle: null })._handle = null;
  return handle;
}
