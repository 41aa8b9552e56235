import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { describeError } from '../agent-error.ts';
import { handleConnect } from './connect-tunnel.ts';
import { onFirstByte } from './first-byte.ts';
import { forwardRequest } from './forward-request.ts';
import { forwardUpgrade } from './forward-upgrade.ts';
import { answerPage } from './pages.ts';
import { answerProblem, answerProblemOn } from './problem-answer.ts';
import type { ProxyContext } from './proxy-context.ts';
import { beginsSocks5, handleSocks5 } from './socks5/handle-socks5.ts';

export interface LocalProxy {
  readonly port: number;
  close(): Promise<void>;
}

/** Loopback only, and numeric: a name could be made to mean something else. */
const address = '127.0.0.1';

const isAbsoluteForm = (request: IncomingMessage): boolean => !(request.url ?? '').startsWith('/');

/**
 * The proxy that programs of this laptop use: CONNECT, SOCKS5 and absolute-form requests for hosts of applications go to
 * the gateway, everything else is refused. A request in origin form is for the agent's own pages. Nothing comes back to
 * here by itself: what leaves is in CONNECT or HTTP/2 to the gateway, and an application that points at this port gets
 * a page that refuses its Host.
 * @throws the error of listen, such as EADDRINUSE.
 */
export async function startLocalProxy(context: ProxyContext, wantedPort: number): Promise<LocalProxy> {
  const { limits, log } = context;
  const server = createServer({
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    // A body may take its time; the gateway has limits of its own on idle ones.
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveTimeoutMs,
    connectionsCheckingInterval: Math.min(limits.headersTimeoutMs, 5000),
    insecureHTTPParser: false,
  });
  server.maxConnections = limits.maxConnections;
  const sockets = new Set<Duplex>();
  const serveHttp = server.listeners('connection') as ((this: Server, socket: Socket) => void)[];
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    onFirstByte(socket, limits.headersTimeoutMs, (first) => {
      if (beginsSocks5(first)) onSocket(handleSocks5(context, socket), socket);
      else for (const serve of serveHttp) serve.call(server, socket);
    });
  });
  let port = 0;

  const handle = (request: IncomingMessage, response: ServerResponse): void => {
    const done = isAbsoluteForm(request)
      ? forwardRequest(context, request, response)
      : answerPage(context, port, request, response);
    done.catch((error: unknown) => {
      log.error({ reason: describeError(error) }, 'request failed');
      answerProblem(response, request.headers.accept, { code: 'internal-error', language: context.language });
    });
  };
  const onSocket = (done: Promise<void>, socket: Duplex): void => {
    done.catch((error: unknown) => {
      log.error({ reason: describeError(error) }, 'tunnel failed');
      socket.destroy();
    });
  };
  server.on('request', handle);
  // 100 is the application's to say, not ours.
  server.on('checkContinue', handle);
  // Node says that it may be any stream; of a server that listens it is the connection.
  server.on('connect', (request, stream, head) => {
    const socket = stream as Socket;
    onSocket(handleConnect(context, request.url ?? '', socket, head), socket);
  });
  server.on('upgrade', (request, stream, head) => {
    const socket = stream as Socket;
    if (isAbsoluteForm(request)) onSocket(forwardUpgrade(context, request, socket, head), socket);
    else answerProblemOn(socket, { code: 'bad-request', language: context.language });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const code = error.code === 'HPE_HEADER_OVERFLOW' ? 'headers-too-large' : 'bad-request';
    const isSlow = error.code === 'ERR_HTTP_REQUEST_TIMEOUT';
    answerProblemOn(socket, { code: isSlow ? 'request-timeout' : code, language: context.language });
  });
  server.on('drop', () => log.warn({ limit: limits.maxConnections }, 'too many local connections'));

  server.listen({ host: address, port: wantedPort, exclusive: true });
  await once(server, 'listening');
  ({ port } = server.address() as AddressInfo);
  return {
    port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
