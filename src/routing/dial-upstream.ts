import { createSocket } from 'node:dgram';
import type { Socket as DatagramSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, isIPv4 } from 'node:net';
import type { Socket } from 'node:net';
import type { NetworkRegistration, UpstreamAddress } from '../contract/ipc.ts';
import { DialError } from './dialer.ts';
import type { DialledDatagrams, DialledSocket } from './dialer.ts';
import { isRegistered } from './registrations.ts';
import { codeOf, resolveUpstream } from './resolve-upstream.ts';

/**
 * Opens one connection from where this process is: in the network's namespace, from its source address, or directly.
 * The socket is connected and paused; nothing has been read from it, and nothing is until it is resumed.
 * @throws DialError, `not-registered` before anything else happens.
 */
export async function dialUpstream(
  registration: NetworkRegistration,
  upstream: UpstreamAddress,
  timeoutMs: number,
): Promise<DialledSocket> {
  return dialFirst(registration, upstream, timeoutMs, connectTo);
}

/**
 * Opens one datagram socket from where this process is, which sends to its peer and hears nobody else. That somebody is
 * there shows only when it answers. @throws DialError, `not-registered` before anything else happens.
 */
export async function dialDatagrams(
  registration: NetworkRegistration,
  upstream: UpstreamAddress,
  timeoutMs: number,
): Promise<DialledDatagrams> {
  return dialFirst(registration, upstream, timeoutMs, connectDatagrams);
}

type Connect<Connected> = (
  host: string,
  port: number,
  localAddress: string | undefined,
  timeoutMs: number,
) => Promise<Connected>;

async function dialFirst<Connected>(
  registration: NetworkRegistration,
  upstream: UpstreamAddress,
  timeoutMs: number,
  connectOne: Connect<Connected>,
): Promise<{ readonly socket: Connected; readonly address: string }> {
  const { attach, name } = registration;
  if (!isRegistered(registration.upstreams, upstream)) {
    throw new DialError(
      'not-registered',
      `no app in network ${name} lives at ${upstream.host} port ${upstream.port}`,
    );
  }
  const endsAt = performance.now() + timeoutMs;
  const addresses = await resolveUpstream(upstream.host, registration, timeoutMs);
  const localAddress = 'sourceAddress' in attach ? attach.sourceAddress : undefined;
  let failure: DialError | undefined;
  for (const [index, address] of addresses.entries()) {
    // An address that swallows packets must leave time for those after it.
    const remainingMs = Math.max(1, Math.floor((endsAt - performance.now()) / (addresses.length - index)));
    try {
      return { socket: await connectOne(address, upstream.port, localAddress, remainingMs), address };
    } catch (error) {
      failure = toDialError(error, address, upstream.port, remainingMs);
    }
  }
  throw failure ?? new DialError('name-unresolved', `${upstream.host} has no address`);
}

async function connectTo(
  host: string,
  port: number,
  localAddress: string | undefined,
  timeoutMs: number,
): Promise<Socket> {
  checkFamily(host, localAddress);
  const socket = connect({
    host,
    port,
    autoSelectFamily: false,
    ...(localAddress === undefined ? {} : { localAddress }),
  });
  // At once: else the socket reads as soon as it is connected, and what a server says first is lost on the way.
  socket.pause();
  try {
    await once(socket, 'connect', { signal: AbortSignal.timeout(timeoutMs) });
  } catch (error) {
    socket.on('error', () => undefined);
    socket.destroy();
    throw error;
  }
  return socket;
}

async function connectDatagrams(
  host: string,
  port: number,
  localAddress: string | undefined,
  timeoutMs: number,
): Promise<DatagramSocket> {
  checkFamily(host, localAddress);
  const signal = AbortSignal.timeout(timeoutMs);
  const socket = createSocket({ type: isIPv4(host) ? 'udp4' : 'udp6' });
  try {
    if (localAddress !== undefined) {
      socket.bind({ address: localAddress, port: 0, exclusive: true });
      await once(socket, 'listening', { signal });
    }
    socket.connect(port, host);
    await once(socket, 'connect', { signal });
  } catch (error) {
    socket.on('error', () => undefined);
    socket.close();
    throw error;
  }
  return socket;
}

function checkFamily(host: string, localAddress: string | undefined): void {
  if (localAddress === undefined || isIPv4(localAddress) === isIPv4(host)) return;
  throw new DialError(
    'unreachable',
    `${host} cannot be reached from ${localAddress}: another address family`,
  );
}

function toDialError(error: unknown, host: string, port: number, timeoutMs: number): DialError {
  if (error instanceof DialError) return error;
  const code = codeOf(error);
  if (error instanceof Error && (error.name === 'AbortError' || code === 'ETIMEDOUT')) {
    return new DialError('timeout', `${host} port ${port} did not answer in ${timeoutMs} ms`);
  }
  return new DialError('unreachable', `${host} port ${port}: ${code}`);
}
