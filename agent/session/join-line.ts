import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { SocketInput } from '../../src/contract/socket-input.ts';
import { createStreamReader, dataHead, finalCapsule } from '../../src/contract/stream-capsules.ts';

/**
 * Joins a program's connection and a tunnel of capsules under back-pressure. Each side's end is passed on by itself; what
 * breaks off on one side breaks off on the other, and is not made to look like an end.
 * @param early what came through the tunnel before.
 * @param head what the program sent before.
 */
export function joinLine({
  socket,
  input,
  program,
  early,
  head,
}: {
  readonly socket: TLSSocket;
  readonly input: SocketInput;
  readonly program: Socket;
  readonly early: Buffer;
  readonly head: Buffer;
}): void {
  let hasEnded = false;
  let hasSentEnd = false;
  let unwritten = 0;
  let held: PromiseWithResolvers<void> | undefined;

  const breakOff = (): void => {
    socket.destroy();
    // A reset, not an end, is what the program must see.
    if (!program.destroyed) program.resetAndDestroy();
  };
  const endWhenOver = (): void => {
    if (hasEnded && hasSentEnd) socket.end(() => socket.destroy());
  };
  const written = (): void => {
    unwritten -= 1;
    if (unwritten === 0) held?.resolve();
  };
  const reader = createStreamReader({
    onData: (part) => {
      unwritten += 1;
      program.write(part, written);
    },
    onFinal: () => {
      hasEnded = true;
      program.end();
      endWhenOver();
    },
  });
  /** Passes bytes on. They may be written over at once where all of them are with the operating system. */
  const take = (bytes: Buffer): Promise<void> | undefined => {
    if (program.destroyed) return undefined;
    program.cork();
    try {
      reader.read(bytes);
    } catch {
      breakOff();
      return undefined;
    }
    program.uncork();
    if (program.writableLength === 0 || program.destroyed) return undefined;
    held = Promise.withResolvers();
    return held.promise;
  };
  const send = (chunk: Buffer): void => {
    socket.cork();
    socket.write(dataHead(chunk.length));
    socket.write(chunk);
    socket.uncork();
    if (socket.writableLength > 0 && socket.writableNeedDrain) program.pause();
  };
  if (program.destroyed || socket.destroyed) return breakOff();
  program.setTimeout(0);
  program.setNoDelay(true);
  program.on('error', () => program.destroy());
  program.once('close', () => {
    held?.resolve();
    // Both ends were passed on; what is left in the line's buffer may still go out.
    if (!program.readableEnded || !program.writableFinished) breakOff();
  });
  // What it brought before it went is passed on first.
  socket.once('close', () => void input.drained().then(() => (hasEnded ? undefined : breakOff())));
  socket.on('drain', () => program.resume());
  program.on('data', send);
  program.once('end', () => {
    hasSentEnd = true;
    socket.write(finalCapsule, endWhenOver);
  });
  if (head.length > 0) send(head);
  if (early.length > 0) void take(early);
  input.use(take);
  program.resume();
}
