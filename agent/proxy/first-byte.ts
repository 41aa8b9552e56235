import type { Socket } from 'node:net';

/**
 * Waits for the first byte that a client sends, and tells it with the socket as if nothing had been read. A client that
 * sends none in time is let go. `use` must take the socket over at once.
 */
export function onFirstByte(socket: Socket, limitMs: number, use: (first: number) => void): void {
  const letGo = (): void => void socket.destroy();
  const timer = setTimeout(letGo, limitMs);
  const onError = letGo;
  socket.once('end', letGo).on('error', onError);
  socket.once('close', () => clearTimeout(timer));
  socket.once('data', (chunk: Buffer) => {
    clearTimeout(timer);
    socket.off('end', letGo).off('error', onError).pause();
    const [first] = chunk;
    if (first === undefined) return letGo();
    socket.unshift(chunk);
    use(first);
    socket.resume();
  });
}
