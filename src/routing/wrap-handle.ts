import { createSocket } from 'node:dgram';
import type { Socket as DatagramSocket } from 'node:dgram';
import { Socket } from 'node:net';
import type { OnReadOpts } from 'node:net';

/**
 * The raw handle of a connected socket, as it travels between processes (`socket._handle`). Node has no public name
 * for it: everything that knows its inside is in this file.
 */
export interface SocketHandle {
  close(callback?: () => void): void;
}

/** Of a TCP socket. */
export interface TcpHandle extends SocketHandle {
  readStart(): number;
}

/** Of a UDP socket that was connected: the kernel takes datagrams from its one peer, and sends to no other. */
export interface UdpHandle extends SocketHandle {
  recvStart(): number;
}

const keepAliveDelayMs = 60_000;

/**
 * Makes the socket of a handle that arrived. To be called by the last receiver alone: a `net.Socket` starts to read as
 * soon as it is made, so that one made on the way swallows the first bytes of SSH, SMTP or MySQL (2 banners of 100
 * arrived). `manualStart` leaves the bytes in the kernel until the owner reads.
 */
export function wrapHandle(handle: TcpHandle, onread?: OnReadOpts): Socket {
  const options = { handle, readable: true, writable: true, manualStart: true, onread };
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

export function isUdpHandle(value: unknown): value is UdpHandle {
  return typeof value === 'object' && value !== null && 'close' in value && 'recvStart' in value;
}

export const isSocketHandle = (value: unknown): value is SocketHandle =>
  isTcpHandle(value) || isUdpHandle(value);

/** What `node:dgram` keeps of a socket, under a symbol of its own. */
interface DatagramState {
  handle: UdpHandle | null;
  connectState: number;
}

const connected = 2;

function stateOf(socket: DatagramSocket): DatagramState {
  const key = Object.getOwnPropertySymbols(socket).find(({ description }) => description === 'state symbol');
  const state = key === undefined ? undefined : (socket as unknown as Record<symbol, DatagramState>)[key];
  if (state === undefined) throw new TypeError('this Node keeps datagram sockets in another way');
  return state;
}

/**
 * Makes the socket of a handle that arrived and is connected in the kernel. To `node:dgram` a socket with a given handle
 * is one that is bound: that it is connected as well has to be said, since it sends to its peer alone, without an address.
 */
export function wrapUdpHandle(handle: UdpHandle, family: 4 | 6): DatagramSocket {
  const socket = createSocket({ type: family === 6 ? 'udp6' : 'udp4' });
  (socket.bind as unknown as (handle: UdpHandle) => void).call(socket, handle);
  stateOf(socket).connectState = connected;
  return socket;
}

/** The handle of a datagram socket, or undefined when it is closed already. */
export const udpHandleOf = (socket: DatagramSocket): UdpHandle | undefined =>
  stateOf(socket).handle ?? undefined;
