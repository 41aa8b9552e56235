import * as net from 'node:net';

/** A port that stays ours while workers that share it come and go. */
export interface ReservedPort {
  readonly port: number;
  release(): void;
}

/**
 * Takes a free port for all workers, without a gap in which the kernel would give it to another who asks for a free
 * one: the socket is bound and never listens, so that it gets no connection. Only processes of the same user share it.
 * `undefined` where Node (before 26.4) has no such sockets; the control process then looks for a free port.
 */
export function reservePort(host: string): ReservedPort | undefined {
  if (!('BoundSocket' in net)) return undefined;
  const socket = new net.BoundSocket({ host, port: 0, reusePort: true });
  return { port: socket.address().port, release: () => socket.close() };
}
