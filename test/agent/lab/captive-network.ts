import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { TLSSocket, createSecureContext } from 'node:tls';
import { makeOrganization } from '../../lab/pki.ts';

/** The network of a hotel: while captive, it answers in the place of everybody; then it lets through. */
export interface CaptiveNetwork {
  isCaptive: boolean;
  /** Plain address that answers 204 once the guest has signed in. */
  readonly probeUrl: string;
  /** Where the guest signs in. */
  readonly portalUrl: string;
  /** Bytes that were sent to it behind a TLS handshake that it answered itself. */
  readonly received: () => number;
  /** A port that leads to that port, where the network lets it. */
  lead(port: () => number): Promise<number>;
  close(): void;
}

export async function startCaptiveNetwork(): Promise<CaptiveNetwork> {
  const stranger = await (await makeOrganization()).issueGateway();
  const secureContext = createSecureContext({ key: stranger.keyPem, cert: stranger.chainPem });
  const servers: Server[] = [];
  const sockets = new Set<Socket>();
  let received = 0;
  const listen = async (server: Server): Promise<number> => {
    servers.push(server);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => sockets.delete(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const answer = (socket: Socket): void => {
    const secured = new TLSSocket(socket, {
      isServer: true,
      secureContext,
      ALPNProtocols: ['h2', 'http/1.1'],
    });
    secured.on('error', () => socket.destroy());
    secured.on('data', (chunk: Buffer) => (received += chunk.length));
  };
  const network: CaptiveNetwork = {
    isCaptive: true,
    portalUrl: 'http://login.hotel.example/?from=lobby',
    probeUrl: '',
    received: () => received,
    lead: (port) =>
      listen(
        createServer((socket) => {
          if (network.isCaptive) return answer(socket);
          const onward = connect({ host: '127.0.0.1', port: port() });
          onward.on('error', () => socket.destroy());
          socket.once('close', () => onward.destroy());
          socket.pipe(onward).pipe(socket);
        }),
      ),
    close: () => {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
    },
  };
  const plain = createHttpServer((_request, response) => {
    response.writeHead(
      network.isCaptive ? 302 : 204,
      network.isCaptive ? { location: network.portalUrl } : {},
    );
    response.end();
  });
  const port = await listen(plain);
  return Object.assign(network, { probeUrl: `http://127.0.0.1:${port}/empty` });
}
