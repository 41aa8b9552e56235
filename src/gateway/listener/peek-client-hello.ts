import type { Socket } from 'node:net';
import { createClientHelloReader } from '../../inspection/protocols/client-hello.ts';
import type { ClientHello } from '../../inspection/protocols/client-hello.ts';

/** What became of a connection before it said what TLS begins with. */
export type PeekFailure = 'ERR_TLS_HANDSHAKE_TIMEOUT' | 'ECONNRESET';

/**
 * Reads what a client says first and leaves it in the socket, for whoever takes it over in `onRead`: whether it is a
 * ClientHello that TLS takes is for TLS to say. It may come in many pieces; what is none, or is too long, is handed on at once.
 * One of the two is called, once, with nothing of ours left on the socket.
 */
export function peekClientHello(
  socket: Socket,
  timeoutMs: number,
  onRead: (hello: ClientHello | undefined) => void,
  onFailure: (why: PeekFailure) => void,
): void {
  const reader = createClientHelloReader();
  const pieces: Buffer[] = [];

  const release = (): void => {
    clearTimeout(timer);
    socket.off('data', take).off('end', leave).off('error', leave).off('close', leave);
  };
  const take = (piece: Buffer): void => {
    pieces.push(piece);
    const reading = reader.read(piece);
    if (reading === undefined) return;
    release();
    socket.pause();
    socket.unshift(Buffer.concat(pieces));
    onRead(reading.hello);
  };
  const fail = (why: PeekFailure): void => {
    release();
    socket.on('error', () => undefined);
    onFailure(why);
  };
  const leave = (): void => fail('ECONNRESET');
  const timer = setTimeout(fail, timeoutMs, 'ERR_TLS_HANDSHAKE_TIMEOUT').unref();
  socket.on('data', take).once('end', leave).once('error', leave).once('close', leave);
}
