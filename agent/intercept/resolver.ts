import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import type { HostPort } from '../session/host-port.ts';
import { answerDns, maxMessageBytes } from './dns-answer.ts';
import type { NameFacts } from './dns-answer.ts';

export interface Resolver {
  readonly place: HostPort;
  close(): void;
}

const maxTcpConnections = 64;
/** RFC 7766, section 6.2.3: some seconds; nobody on this machine needs longer. */
const idleMs = 10_000;

/**
 * Answers DNS at a loopback address, by UDP and TCP on the same port (RFC 7766). It knows the names that `find` knows,
 * asks nobody, and keeps nothing.
 * @param wanted port 0 takes a free one.
 * @throws the error of listen or bind, such as EADDRINUSE or EACCES; nothing is open then.
 */
export async function startResolver(wanted: HostPort, find: (name: string) => NameFacts): Promise<Resolver> {
  const connections = new Set<Socket>();
  const tcp = createServer((socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
    serveTcp(socket, find);
  });
  tcp.maxConnections = maxTcpConnections;
  tcp.listen({ host: wanted.host, port: wanted.port, exclusive: true });
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  const place = { host: wanted.host, port };
  try {
    const udp = await bindUdp(place, find);
    return {
      place,
      close: () => {
        udp.close();
        closeAll(tcp, connections);
      },
    };
  } catch (error) {
    closeAll(tcp, connections);
    throw error;
  }
}

function closeAll(server: Server, connections: ReadonlySet<Socket>): void {
  server.close();
  for (const socket of connections) socket.destroy();
}

async function bindUdp(
  { host, port }: HostPort,
  find: (name: string) => NameFacts,
): Promise<{ close(): void }> {
  const socket = createSocket('udp4');
  socket.on('message', (message, from) => {
    const answer = answerDns(message, find);
    // Who asked may be gone: that is told as an error of the next call, and is nobody's concern.
    if (answer !== undefined) socket.send(answer, from.port, from.address, () => undefined);
  });
  socket.bind({ address: host, port, exclusive: true });
  await once(socket, 'listening');
  socket.on('error', () => undefined);
  return socket;
}

/** Messages with their length before them, one after the other (RFC 1035, section 4.2.2). */
function serveTcp(socket: Socket, find: (name: string) => NameFacts): void {
  let received: Buffer = Buffer.alloc(0);
  socket.setTimeout(idleMs, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('drain', () => socket.resume());
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    for (;;) {
      const length = received.length < 2 ? undefined : received.readUInt16BE(0);
      if (length !== undefined && length > maxMessageBytes) return void socket.destroy();
      if (length === undefined || received.length < 2 + length) return;
      const answer = answerDns(received.subarray(2, 2 + length), find);
      received = received.subarray(2 + length);
      if (answer === undefined) return void socket.destroy();
      const head = Buffer.alloc(2);
      head.writeUInt16BE(answer.length);
      // Who asks and never reads is not read from either.
      if (!socket.write(Buffer.concat([head, answer]))) socket.pause();
    }
  });
}
