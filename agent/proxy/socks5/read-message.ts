import type { Socket } from 'node:net';
import type { Parsed } from './messages.ts';

type Whole<T> = T & { readonly length: number };

/**
 * Reads one message from a socket and leaves what is behind it there, unread, with the socket at rest. No more is held
 * than the longest message and one chunk.
 * @throws when the socket ends, or the signal aborts, before the message is whole.
 */
export function readMessage<T>(
  socket: Socket,
  parse: (bytes: Buffer) => Parsed<T>,
  signal: AbortSignal,
): Promise<Whole<T> | 'malformed'> {
  return new Promise((resolve, reject) => {
    let received: Buffer = Buffer.alloc(0);
    const stop = (): void => {
      socket.off('data', onData).off('end', onEnd).off('close', onEnd).pause();
      signal.removeEventListener('abort', onEnd);
    };
    const onEnd = (): void => {
      stop();
      reject(new Error('no whole message'));
    };
    const onData = (chunk: Buffer): void => {
      received = Buffer.concat([received, chunk]);
      const parsed = parse(received);
      if (parsed === 'incomplete') return;
      stop();
      if (parsed !== 'malformed' && parsed.length < received.length)
        socket.unshift(received.subarray(parsed.length));
      resolve(parsed);
    };
    if (signal.aborted || socket.destroyed) return onEnd();
    signal.addEventListener('abort', onEnd, { once: true });
    socket.on('data', onData).once('end', onEnd).once('close', onEnd).resume();
  });
}
