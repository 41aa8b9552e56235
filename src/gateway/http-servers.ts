import { createServer as createHttpServer, ServerResponse, STATUS_CODES } from 'node:http';
import type { IncomingMessage, Server } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import type { Http2Server, Http2ServerRequest, Http2ServerResponse, ServerHttp2Session } from 'node:http2';
import type { Duplex } from 'node:stream';
import type { Settings } from '../contract/settings.ts';
import { refuse } from '../contract/refusals.ts';
import type { Refusal, RefusalCode } from '../contract/refusals.ts';
import type { Origin } from './connection.ts';
import { createExchange } from './exchange.ts';
import type { ClientRequest, ClientResponse, Exchange } from './exchange.ts';
import { named } from './headers.ts';
import { buildRefusalAnswer } from './refusal-answer.ts';
import type { RefusalAnswer } from './refusal-answer.ts';
import type { TunnelClient } from './tunnel.ts';

/** What is done with each kind of request, whatever HTTP version it came by. */
export interface RequestHandlers {
  readonly request: (exchange: Exchange, expectsContinue: boolean) => void;
  readonly upgrade: (exchange: Exchange, client: Duplex, head: Buffer) => void;
  readonly tunnel: (exchange: Exchange, client: TunnelClient) => void;
  /** Bytes that are no HTTP, or too much of it. */
  readonly malformed: (origin: Origin, refusal: Refusal) => RefusalAnswer;
}

/** HTTP on streams that TLS has ended: nothing here listens. */
export interface HttpServers {
  serve(stream: Duplex, origin: Origin, protocol: 'h2' | 'http/1.1'): void;
  /** No new requests on kept connections; those under way go on. */
  drain(): void;
}

const window = 4 * 1024 * 1024;

export function createHttpServers(
  limits: Settings['limits'],
  handlers: RequestHandlers,
  now: () => number,
): HttpServers {
  const origins = new WeakMap<object, Origin>();
  const sessions = new Set<ServerHttp2Session>();
  const exchangeOf = (key: object, request: ClientRequest, response: ClientResponse): Exchange => {
    const origin = origins.get(key);
    if (origin === undefined) throw new TypeError('a stream of nobody');
    response.on('error', () => undefined);
    request.on('error', () => undefined);
    return createExchange(origin, request, response, now());
  };

  const http1 = createHttp1(limits);
  const onRequest = (expects: boolean) => (request: IncomingMessage, response: ServerResponse) =>
    handlers.request(exchangeOf(request.socket, request, response), expects);
  http1.on('request', onRequest(false));
  http1.on('checkContinue', onRequest(true));
  http1.on('checkExpectation', onRequest(false));
  http1.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket as never);
    response.on('finish', () => socket.end());
    handlers.upgrade(exchangeOf(socket, request, response), socket, head);
  });
  http1.on('connect', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const exchange = exchangeOf(socket, request, new ServerResponse(request));
    socket.on('error', () => socket.destroy());
    handlers.tunnel(exchange, {
      accept: () => {
        socket.write('HTTP/1.1 200 Connection Established\r\n\r\n');
        if (head.length > 0) socket.unshift(head);
        return socket;
      },
      refuse: (refusal) => socket.end(rawAnswer(buildRefusalAnswer(refusal, exchange))),
    });
  });
  http1.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const origin = origins.get(socket);
    const code = clientErrorCode(error);
    if (origin === undefined || !socket.writable || error.code === 'ECONNRESET') return void socket.destroy();
    const answer = handlers.malformed(origin, refuse(code, error.code ?? error.message));
    socket.end(rawAnswer(answer));
  });

  let current: Origin | undefined;
  const http2 = createHttp2(limits);
  http2.on('session', (session) => {
    if (current !== undefined) origins.set(session, current);
    sessions.add(session);
    widenWindow(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => session.destroy());
  });
  http2.on('sessionError', () => undefined);
  const onStream = (expects: boolean) => (request: Http2ServerRequest, response: Http2ServerResponse) => {
    const { session } = request.stream;
    if (session === undefined) return;
    handlers.request(exchangeOf(session, request, response), expects);
  };
  http2.on('request', onStream(false));
  http2.on('checkContinue', onStream(true));
  http2.on('connect', (request: Http2ServerRequest, response: Http2ServerResponse) => {
    const { stream } = request;
    if (stream.session === undefined) return;
    const exchange = exchangeOf(stream.session, request, response);
    handlers.tunnel(exchange, {
      accept: () => {
        stream.respond({ ':status': 200 });
        return stream;
      },
      refuse: (refusal) => {
        if (stream.destroyed) return;
        const { status, headers, body } = buildRefusalAnswer(refusal, exchange);
        stream.respond({ ':status': status, ...named(headers) });
        stream.end(body);
      },
    });
  });

  return {
    serve(stream, origin, protocol) {
      origins.set(stream, origin);
      if (protocol === 'h2') {
        current = origin;
        http2.emit('connection', stream);
        current = undefined;
      } else http1.emit('connection', stream);
    },
    drain() {
      for (const session of sessions) session.close();
      http1.closeIdleConnections();
    },
  };
}

/** Over a stream that is itself a tunnel, the session gets its handle only later. */
function widenWindow(session: ServerHttp2Session): void {
  const widen = (): void => {
    if (!session.destroyed) session.setLocalWindowSize(window);
  };
  session.once('remoteSettings', widen);
}

function createHttp1(limits: Settings['limits']): Server {
  const server = createHttpServer({
    insecureHTTPParser: false,
    maxHeaderSize: limits.maxHeaderBytes,
    headersTimeout: limits.headersTimeoutMs,
    // A body may take as long as it moves; its own watch is in request-body.ts.
    requestTimeout: 0,
    keepAliveTimeout: limits.idleConnectionTimeoutMs,
    connectionsCheckingInterval: Math.min(1000, limits.headersTimeoutMs),
    requireHostHeader: false,
    rejectNonStandardBodyWrites: false,
  });
  server.maxHeadersCount = 200;
  server.timeout = 0;
  return server;
}

function createHttp2(limits: Settings['limits']): Http2Server {
  return createHttp2Server({
    maxSessionMemory: 64,
    maxSessionInvalidFrames: 100,
    maxSessionRejectedStreams: 100,
    streamResetBurst: 1000,
    streamResetRate: 100,
    unknownProtocolTimeout: limits.handshakeTimeoutMs,
    settings: {
      initialWindowSize: window,
      maxConcurrentStreams: limits.maxStreamsPerConnection,
      maxHeaderListSize: limits.maxHeaderBytes,
    },
  });
}

function clientErrorCode({ code }: NodeJS.ErrnoException): RefusalCode {
  if (code === 'HPE_HEADER_OVERFLOW') return 'headers-too-large';
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return 'request-timeout';
  return 'bad-request';
}

/** A refusal where there is no response object: after a CONNECT, or when the parser gave up. */
function rawAnswer({ status, headers, body }: RefusalAnswer): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (const [name, value] of Object.entries(named(headers))) head += `${name}: ${value}\r\n`;
  return `${head}connection: close\r\n\r\n${body}`;
}
