import type { ConnectorMessage, NetworkRegistration, SupervisorToConnector } from '../contract/ipc.ts';
import { dialDatagrams, dialUpstream } from '../routing/dial-upstream.ts';
import { DialError } from '../routing/dialer.ts';
import { handleOf, udpHandleOf } from '../routing/wrap-handle.ts';
import type { SocketHandle } from '../routing/wrap-handle.ts';

/**
 * The process inside one private network: started there by the supervisor, told over its channel what is registered,
 * asked there for sockets. It reads no configuration, no file and no ledger, and never what a socket carries.
 */
let registration: NetworkRegistration | undefined;

/** `process.send` as it is: the public types know sockets but not their raw handles, which alone may travel twice. */
type Send = (
  message: ConnectorMessage,
  handle: SocketHandle | undefined,
  sent: (error: Error | null) => void,
) => boolean;

function tell(message: ConnectorMessage, handle?: SocketHandle, sent: () => void = () => undefined): void {
  // Without a channel nobody is left to be told, and `disconnect` ends this process.
  if (!process.connected) return sent();
  (process.send as unknown as Send).call(process, message, handle, sent);
}

async function dial({
  id,
  upstream,
  timeoutMs,
}: Extract<SupervisorToConnector, { type: 'dial' }>): Promise<void> {
  try {
    if (registration === undefined) throw new DialError('not-registered', 'nothing is registered yet');
    const { name } = registration;
    const dialled =
      upstream.transport === 'udp'
        ? await openDatagrams(registration, upstream, timeoutMs)
        : await openConnection(registration, upstream, timeoutMs);
    handOver(dialled, { type: 'dialled', id, network: name, address: dialled.address });
  } catch (error) {
    const { failure, detail } =
      error instanceof DialError ? error : new DialError('connector-unavailable', String(error));
    tell({ type: 'dial-failed', id, failure, detail });
  }
}

/** A socket to be handed over: its handle, where it is still open, and how this process lets go of it. */
interface Dialled {
  readonly handle: SocketHandle | undefined;
  readonly address: string;
  readonly free: () => void;
}

async function openConnection(...dialled: Parameters<typeof dialUpstream>): Promise<Dialled> {
  const { socket, address } = await dialUpstream(...dialled);
  // A reset in between is for the receiver to find.
  socket.on('error', () => undefined);
  return { handle: handleOf(socket), address, free: () => socket.destroy() };
}

async function openDatagrams(...dialled: Parameters<typeof dialDatagrams>): Promise<Dialled> {
  const { socket, address } = await dialDatagrams(...dialled);
  socket.on('error', () => undefined);
  return { handle: udpHandleOf(socket), address, free: () => socket.close() };
}

/** Sends the handle, then frees this process's copy of it: the connection itself lives on where it went. */
function handOver({ handle, free }: Dialled, message: Extract<ConnectorMessage, { type: 'dialled' }>): void {
  if (handle === undefined) {
    const detail = `${message.address} closed the connection at once`;
    return tell({ type: 'dial-failed', id: message.id, failure: 'unreachable', detail });
  }
  tell(message, handle, free);
}

process.on('message', (message: SupervisorToConnector) => {
  if (message.type === 'register') registration = message.registration;
  else void dial(message);
});
process.once('disconnect', () => process.exit(0));
// Ctrl-C goes to the whole group of processes; the supervisor says when to end, by closing the channel.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
tell({ type: 'ready' });
