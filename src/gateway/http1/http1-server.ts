import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../../contract/refusals.ts';
import type { Settings } from '../../contract/settings.ts';
import { Bag } from '../listener/bag.ts';
import type { Exchange } from '../exchange.ts';
import { answerOn, Http1Exchange } from './http1-exchange.ts';
import { IncomingRequest } from './incoming-request.ts';
import type { Http1Connection } from './http1-exchange.ts';

export interface Http1Server {
  /** Serves requests on a socket that ended its TLS. */
  serve(owner: Omit<Http1Connection, 'open' | 'idleSince'>): void;
  /** To be called now and then: closes what has been idle for too long. `now` is of `performance.now()`. */
  expire(now: number): void;
  /** Connections are closed after the answers that are under way. */
  drain(): void;
  close(): void;
}

export interface Http1Handlers {
  handle(exchange: Exchange): void;
  /** What came cannot be read as a request: records it, and then hands over what to `send`. */
  malformed(owner: Http1Connection, refusal: Refusal, send: (head: string, body: Buffer) => void): void;
}

const checkIntervalMs = 1000;
/** How long a client has to read why it is not understood. */
const lingerMs = 2000;

/** The HTTP/1.1 side of the listener: node:http, strict, without a port of its own. */
export function createHttp1Server(settings: Settings, handlers: Http1Handlers): Http1Server {
  const { limits } = settings;
  const owners = new Map<Duplex, Http1Connection>();
  const broken = new WeakSet<Http1Connection>();
  let isDraining = false;

  const ownerOf = (socket: Duplex): Http1Connection | undefined => owners.get(socket);
  const handle = (
    request: IncomingMessage,
    response: ServerResponse,
    more?: ConstructorParameters<typeof Http1Exchange>[3],
  ): void => {
    const owner = ownerOf(request.socket);
    if (owner === undefined) return void request.socket.destroy();
    // Pipelined requests are answered in order, but each costs from the start.
    if (owner.open.size >= limits.maxStreamsPerConnection) return void owner.socket.destroy();
    if (isDraining) response.shouldKeepAlive = false;
    handlers.handle(new Http1Exchange(owner, request, response, more));
  };

  const server: Server = createServer({
    IncomingMessage: IncomingRequest,
    // Of a request without a body there is no stream to end and to close.
    optimizeEmptyRequests: true,
    insecureHTTPParser: false,
    requireHostHeader: false,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    // Bodies may take as long as they keep moving: readBody looks at that.
    requestTimeout: 0,
    // We close idle connections ourselves: a timer that is set and cleared for each request is dear.
    keepAliveTimeout: 0,
    connectionsCheckingInterval: checkIntervalMs,
    noDelay: true,
    // HTTP/2 is chosen by ALPN or not at all: a request to upgrade to it is answered as if it had not asked.
    shouldUpgradeCallback: ({ headers }) => !/(?:^|,)\s*h2c\s*(?:,|$)/i.test(headers.upgrade ?? ''),
  });
  // Else Node drops the fields beyond the 1000th in silence, and the upstream sees another request than was decided on.
  server.maxHeadersCount = 0;
  // A server that listens nowhere does not look at its clocks unless it is told that it does.
  server.emit('listening');
  server.timeout = 0;
  server.on('request', (request, response) => handle(request, response));
  server.on('checkContinue', (request, response) => handle(request, response, { expectsContinue: true }));
  server.on('checkExpectation', (request, response) => handle(request, response));
  /** The connection becomes another one: not in the middle of answers to requests before this one. */
  const leaveHttp = (
    request: IncomingMessage,
    socket: Duplex,
    more: { upgrade?: string; head: Buffer },
  ): void => {
    const owner = ownerOf(socket);
    if (owner === undefined || owner.open.size === 0) return handle(request, answerOn(request, socket), more);
    handlers.malformed(owner, refuse('bad-request', 'pipelined behind an unanswered request'), () =>
      socket.destroy(),
    );
  };
  server.on('upgrade', (request, socket, head) =>
    leaveHttp(request, socket, { upgrade: request.headers.upgrade ?? '', head }),
  );
  server.on('connect', (request, socket, head) => leaveHttp(request, socket, { head }));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const owner = ownerOf(socket);
    if (owner !== undefined && broken.has(owner)) return;
    if (owner === undefined || !socket.writable) return void socket.destroy();
    const refusal = refusalOfParser(error);
    // A client that is just gone asked for nothing.
    if (refusal === undefined) return void socket.destroy();
    broken.add(owner);
    // Nothing that still comes can be read; whoever sends it should be able to read why.
    const timer = setTimeout(() => socket.destroy(), lingerMs);
    socket.once('close', () => clearTimeout(timer));
    let isOfBody = false;
    for (const exchange of owner.open.snapshot()) isOfBody = exchange.breakBody(refusal) || isOfBody;
    if (isOfBody) return;
    handlers.malformed(owner, refusal, (head, body) => {
      // Requests before it on the connection are answered; then it closes.
      if (owner.open.size > 0 || !socket.writable) return;
      socket.write(head, 'latin1');
      socket.end(body);
    });
  });

  return {
    serve({ connection, tunnel, scheme, socket }) {
      const owner: Http1Connection = {
        connection,
        tunnel,
        scheme,
        socket,
        open: new Bag(),
        idleSince: performance.now(),
      };
      owners.set(socket, owner);
      socket.once('close', () => {
        owners.delete(socket);
        for (const exchange of owner.open.snapshot()) exchange.closed();
      });
      server.emit('connection', socket);
    },
    expire(now) {
      for (const { socket, idleSince } of owners.values())
        if (now - idleSince > limits.idleConnectionTimeoutMs) socket.destroy();
    },
    drain() {
      isDraining = true;
      server.closeIdleConnections();
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** What llhttp and the server's own clocks say, as a refusal. */
const parserRefusals: Readonly<Record<string, RefusalCode>> = {
  HPE_HEADER_OVERFLOW: 'headers-too-large',
  ERR_HTTP_REQUEST_TIMEOUT: 'request-timeout',
  HPE_INVALID_METHOD: 'bad-request',
};

function refusalOfParser({ code = '' }: NodeJS.ErrnoException): Refusal | undefined {
  if (code === 'ECONNRESET' || code === 'EPIPE' || code === 'HPE_INVALID_EOF_STATE') return undefined;
  if (!code.startsWith('HPE_') && parserRefusals[code] === undefined) return undefined;
  return refuse(parserRefusals[code] ?? 'bad-request', code);
}
