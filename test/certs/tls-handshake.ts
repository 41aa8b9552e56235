import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import type { TLSSocket, TlsOptions } from 'node:tls';

export interface HandshakeClient {
  readonly keyPem: string;
  readonly certificatePem: string;
}

/**
 * One real TLS handshake over loopback: what the server says of the client. In TLS 1.3 the client believes it is
 * through before the server has judged its certificate, so only the server is asked; with `rejectUnauthorized` it
 * would hang up and not say why, so it listens without, as the gateway does, and tells its judgment.
 */
export async function handshake(
  serverOptions: TlsOptions,
  client: HandshakeClient | undefined,
): Promise<{ accepted: true; subject: string } | { accepted: false; code: string }> {
  const server = createServer({
    minVersion: 'TLSv1.3',
    requestCert: true,
    rejectUnauthorized: false,
    ...serverOptions,
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const judged = once(server, 'secureConnection').then(([value]) => {
    const connection = value as TLSSocket;
    const subject = connection.getPeerX509Certificate()?.subject ?? '';
    const { authorized, authorizationError } = connection;
    connection.destroy();
    return authorized
      ? ({ accepted: true, subject } as const)
      : ({ accepted: false, code: String(authorizationError) } as const);
  });
  const refused = once(server, 'tlsClientError').then(([error]) => {
    return { accepted: false, code: (error as NodeJS.ErrnoException).code ?? '' } as const;
  });
  const { port } = server.address() as AddressInfo;
  const socket = connect({
    port,
    host: '127.0.0.1',
    // The client's view is no part of these tests; the agent has its own.
    rejectUnauthorized: false,
    ...(client === undefined ? {} : { key: client.keyPem, cert: client.certificatePem }),
  });
  socket.on('error', () => {});
  try {
    return await Promise.race([judged, refused]);
  } finally {
    socket.destroy();
    server.close();
    await once(server, 'close');
  }
}
