import * as net from 'node:net';

/** A port that stays ours while workers that share it come and go. */
export interface ReservedPort {
  readonly port: number;
  release(): void;
}

/**
 * Takes a free port for all workers, without a gap in which another process could: the socket is bound and never
 * listens, so that it is given no connection. The kernel lets only processes of the same user share a port with it.
 * `undefined` where Node (before 26.4) has no such sockets; the control process then looks for a free port.
 */
export function reservePort(host: string): ReservedPort | undefined {
  if (!('BoundSocket' in net)) return undefined;
  const socket = new net.BoundSocket({ host, port: 0, reusePort: true });
  return { port: socket.address().port, release: () => socket.close() };
}
