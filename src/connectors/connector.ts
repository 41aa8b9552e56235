import type { Socket } from 'node:net';
import type { ConnectorMessage, NetworkRegistration, SupervisorToConnector } from '../contract/ipc.ts';
import { dialUpstream } from '../routing/dial-upstream.ts';
import { DialError } from '../routing/dialer.ts';
import { handleOf } from '../routing/wrap-handle.ts';
import type { TcpHandle } from '../routing/wrap-handle.ts';

/**
 * The process inside one private network: started there by the supervisor, told over its channel what is registered,
 * asked there for sockets. It reads no configuration, no file and no ledger, and never what a socket carries.
 */
let registration: NetworkRegistration | undefined;

/** `process.send` as it is: the public types know sockets but not their raw handles, which alone may travel twice. */
type Send = (
  message: ConnectorMessage,
  handle: TcpHandle | undefined,
  sent: (error: Error | null) => void,
) => boolean;

function tell(message: ConnectorMessage, handle?: TcpHandle, sent: () => void = () => undefined): void {
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
    const { socket, address } = await dialUpstream(registration, upstream, timeoutMs);
    handOver(socket, { type: 'dialled', id, network: name, address });
  } catch (error) {
    const { failure, detail } =
      error instanceof DialError ? error : new DialError('connector-unavailable', String(error));
    tell({ type: 'dial-failed', id, failure, detail });
  }
}

/** Sends the handle, then frees this process's copy of it: the connection itself lives on where it went. */
function handOver(socket: Socket, message: Extract<ConnectorMessage, { type: 'dialled' }>): void {
  // A reset in between is for the receiver to find.
  socket.on('error', () => undefined);
  const handle = handleOf(socket);
  if (handle === undefined) {
    const detail = `${message.address} closed the connection at once`;
    return tell({ type: 'dial-failed', id: message.id, failure: 'unreachable', detail });
  }
  tell(message, handle, () => socket.destroy());
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
