import { connect } from 'node:http2';
import { connectVerified } from '../control/verified-connection.ts';
import { openBulkLine } from './bulk-line.ts';
import { windowBytes, wrapSession } from './gateway-session.ts';
import type { GatewaySession, SessionOptions } from './gateway-session.ts';
import { parseHostPort } from './host-port.ts';

export interface OpenOptions extends Omit<SessionOptions, 'openLine'> {
  /** Numeric, of the target's host. */
  readonly host: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Opens a session at one address, where the other end proves to be the gateway that the target names.
 * @throws UntrustedPeer, KeyUnusable, or the error of the socket.
 */
export async function openGatewaySession(options: OpenOptions): Promise<GatewaySession> {
  const { target, credentials, host, timeoutMs, signal } = options;
  const { port } = parseHostPort(target.address) ?? {};
  if (port === undefined) throw new Error(`${target.address} is no address of a gateway`);
  const socket = await connectVerified(
    { host, port, serverName: target.name },
    { client: credentials, protocol: 'h2', timeoutMs, signal },
  );
  socket.setNoDelay(true);
  const session = connect(`https://${target.name}`, {
    createConnection: () => socket,
    settings: { initialWindowSize: windowBytes, enablePush: false },
    // Mebibytes; only bounds a peer's headers and our own unsent data, streams wait for their readers.
    maxSessionMemory: 64,
  });
  return wrapSession(session, socket, {
    ...options,
    openLine: (token, ending) =>
      openBulkLine({ host, port, name: target.name, credentials, token, timeoutMs, signal: ending }),
  });
}
