import { EventEmitter, on, once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createSecureServer } from 'node:http2';
import type { IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2';
import type { TLSSocket } from 'node:tls';
import { certificateThumbprint } from '../../../certs/thumbprint.ts';
import { refusalFields } from '../../../src/gateway/answers/refusal-fields.ts';
import { buildProblem } from '../../../src/contract/refusals.ts';
import type { RefusalCode } from '../../../src/contract/refusals.ts';
import type { Organization } from '../../lab/pki.ts';

export interface GatewayRequest {
  readonly headers: IncomingHttpHeaders;
  /** Counts the TLS connections of this gateway from 0. */
  readonly session: number;
}

/** Whom a token is for; what the gateway of a test believes. */
export type TokenBook = ReadonlyMap<string, { readonly thumbprint: string }>;

/** A gateway as the agent sees it: TLS 1.3 with client certificates, HTTP/2, a token a session, CONNECT to real sockets. */
export interface GatewayServer {
  readonly address: string;
  readonly requests: GatewayRequest[];
  /** Paths that were asked for over HTTP/1.1. */
  readonly asked: string[];
  readonly sessions: ServerHttp2Session[];
  /** `host:port` of a CONNECT to the port on 127.0.0.1 that it leads to. */
  readonly tunnels: Map<string, number>;
  /** Answers of applications, by `:authority`. */
  readonly apps: Map<string, (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void>;
  /** Answers of this gateway to probes, by application. */
  readonly probes: Map<string, { readonly status: number; readonly body: object }>;
  /** When set, everything is refused so. */
  refuseAll: RefusalCode | undefined;
  /** Tokens that are no longer believed. */
  readonly distrusted: Set<string>;
  /** Resolves with the nth session (from 0) once it has been accepted. */
  session(nth: number): Promise<ServerHttp2Session>;
  /** Resolves with the nth probe (from 1) that carried a token. */
  probe(nth?: number): Promise<GatewayRequest>;
  /** Cuts all connections, as a crash does, and stays away until `restart`. */
  crash(): Promise<void>;
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function startGatewayServer(options: {
  readonly organization: Organization;
  readonly tokens: TokenBook;
}): Promise<GatewayServer> {
  const { organization, tokens } = options;
  const certificate = await organization.issueGateway();
  const events = new EventEmitter().setMaxListeners(100);
  const server = createSecureServer({
    key: certificate.keyPem,
    cert: certificate.chainPem,
    ca: [organization.rootPem],
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: 'TLSv1.3',
    allowHTTP1: true,
    // As many streams as the real one takes by its settings.
    settings: { initialWindowSize: 4 * 1024 * 1024, maxConcurrentStreams: 256 },
  });
  const held = new WeakMap<ServerHttp2Session, string>();

  server.on('session', (session) => {
    gateway.sessions.push(session);
    session.on('error', () => {});
    events.emit('change');
  });
  server.on('sessionError', () => {});
  // On HTTP/1.1 it is a gateway of before there was connect-tcp: its status, and no applications. Without what Node does
  // when somebody listens for requests, which is to answer HTTP/2 in that way as well.
  server.removeAllListeners('newListener');
  server.on('request', (request, response) => {
    const isStatus = request.url === '/.well-known/postern/status';
    const body = JSON.stringify(isStatus ? { status: 'ok' } : buildProblem('application-unknown'));
    response.writeHead(isStatus ? 200 : 404, { 'content-length': body.length });
    response.end(body);
    gateway.asked.push(request.url);
  });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    const session = stream.session as ServerHttp2Session | undefined;
    if (session === undefined) return;
    stream.on('error', () => {});
    const nth = gateway.sessions.indexOf(session);
    gateway.requests.push({ headers, session: nth });
    const refuse = (code: RefusalCode): void => refuseStream(stream, code);
    const shown = headers['proxy-authorization'];
    if (shown !== undefined) held.set(session, shown.replace('Bearer ', ''));
    queueMicrotask(() => events.emit('change'));
    const thumbprint = certificateThumbprint((session.socket as TLSSocket).getPeerCertificate().raw);
    const token = held.get(session);
    if (gateway.refuseAll !== undefined) return refuse(gateway.refuseAll);
    if (token === undefined) return refuse('token-missing');
    if (gateway.distrusted.has(token)) return refuse('token-expired');
    if (tokens.get(token)?.thumbprint !== thumbprint) return refuse('token-bound-elsewhere');
    if (headers[':method'] === 'CONNECT') return openTunnel(gateway, stream, headers, refuse);
    if (headers[':authority'] === `gateway.${organization.domain}`) {
      const [, probed] = /^\/\.well-known\/postern\/probe\/(.*)$/.exec(headers[':path'] ?? '') ?? [];
      const answer = probed === undefined ? undefined : gateway.probes.get(probed);
      if (probed !== undefined && answer === undefined) return refuse('application-unknown');
      if (answer !== undefined) {
        stream.respond({ ':status': answer.status });
        return void stream.end(JSON.stringify(answer.body));
      }
      stream.respond({ ':status': 200, 'content-type': 'application/json' });
      return void stream.end('{"status":"ok"}');
    }
    const app = gateway.apps.get(headers[':authority'] ?? '');
    if (app === undefined) return refuse('application-unknown');
    app(stream, headers);
  });

  const listen = async (port: number): Promise<number> => {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  const port = await listen(0);
  const crash = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    for (const session of gateway.sessions) session.destroy();
    await closed;
  };
  const wait = async <T>(look: () => T | undefined): Promise<T> => {
    const changes = on(events, 'change');
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await changes.next();
    }
  };

  const gateway: GatewayServer = {
    address: `127.0.0.1:${port}`,
    requests: [],
    asked: [],
    sessions: [],
    tunnels: new Map(),
    apps: new Map(),
    probes: new Map(),
    refuseAll: undefined,
    distrusted: new Set(),
    session: (nth) => wait(() => gateway.sessions[nth]),
    probe: (nth = 1) =>
      wait(
        () => gateway.requests.filter(({ headers }) => headers['proxy-authorization'] !== undefined)[nth - 1],
      ),
    crash,
    restart: async () => void (await listen(port)),
    close: async () => {
      if (server.listening) await crash();
    },
  };
  return gateway;
}

function openTunnel(
  gateway: GatewayServer,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  refuse: (code: RefusalCode) => void,
): void {
  const port = gateway.tunnels.get(headers[':authority'] ?? '');
  if (port === undefined) return refuse('port-unknown');
  const socket = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.once('connect', () => {
    stream.respond({ ':status': 200 });
    socket.pipe(stream);
    stream.pipe(socket);
  });
  socket.on('error', (error) => stream.destroy(error));
  stream.once('close', () => {
    if (stream.rstCode === 0) socket.destroySoon();
    else socket.resetAndDestroy();
  });
}

/** As the gateway does; a page where people look at it, and no body for HEAD. */
export function refuseStream(
  stream: ServerHttp2Stream,
  code: RefusalCode,
  as: 'problem' | 'page' = 'problem',
): void {
  const problem = buildProblem(code, 'en', { flowId: '01HZY' });
  const fields = refusalFields(code, '01HZY', 'grants');
  stream.respond({
    ':status': problem.status,
    'content-type': as === 'page' ? 'text/html' : 'application/problem+json',
    ...Object.fromEntries([fields.slice(0, 2), fields.slice(2)]),
  });
  stream.end(as === 'page' ? '<p>refused</p>' : JSON.stringify(problem));
}
