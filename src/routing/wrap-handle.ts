import { Socket } from 'node:net';

/**
 * The raw handle of a connected TCP socket, as it travels between processes (`socket._handle`). Node has no public
 * name for it: everything that knows its inside is in this file.
 */
export interface TcpHandle {
  close(callback?: () => void): void;
}

const keepAliveDelayMs = 60_000;

/**
 * Makes the socket of a handle that arrived. To be called by the last receiver alone: a `net.Socket` starts to read as
 * soon as it is made, so that one made on the way swallows the first bytes of SSH, SMTP or MySQL (2 banners of 100
 * arrived). `manualStart` leaves the bytes in the kernel until the owner reads.
 */
export function wrapHandle(handle: TcpHandle): Socket {
  const options = { handle, readable: true, writable: true, manualStart: true };
  const socket = new Socket(options as unknown as ConstructorParameters<typeof Socket>[0]);
  socket.setNoDelay(true);
  socket.setKeepAlive(true, keepAliveDelayMs);
  return socket;
}

/** The handle of a connected socket, or undefined when it is closed already. */
export function handleOf(socket: Socket): TcpHandle | undefined {
  return (socket as unknown as { readonly _handle: TcpHandle | null })._handle ?? undefined;
}

/** Whether something that came beside a message is such a handle. */
export function isTcpHandle(value: unknown): value is TcpHandle {
  return typeof value === 'object' && value !== null && 'close' in value && 'readStart' in value;
}
