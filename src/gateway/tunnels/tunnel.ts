import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import { expectationOf } from '../../domain/expected-protocol.ts';
import type { App } from '../../domain/resources.ts';
import type { AppCertificates } from '../listener/app-certificates.ts';
import { openCapsuleStream } from './capsule-stream.ts';
import type { TunnelContext } from '../exchange.ts';
import { unexpected } from '../../inspection/protocols/recognizer.ts';
import type { Unexpected } from '../../inspection/protocols/recognizer.ts';
import type { Flow } from '../flow.ts';
import type { Gateway } from '../gateway.ts';
import type { Http1Server } from '../http1/http1-server.ts';
import { joinDatagrams } from './join-datagrams.ts';
import { joinStreams } from './join-streams.ts';
import { noteUnexpected } from '../protocol/protocol-check.ts';
import type { EndedBy } from '../records/record-flow.ts';
import { refuseFlow } from '../answers/refuse-flow.ts';
import { renewToken } from '../steps/verify-token.ts';
import { challengeFields } from './tunnel-challenge.ts';
import type { OpenedUpstream } from '../upstream/open-upstream.ts';
import { refusalOfError } from '../upstream/upstream-failure.ts';

/** The port at which browsers speak HTTP without TLS, inside the tunnel as outside. */
const plainPort = 80;

export interface Tunnels {
  /** Opens an allowed CONNECT. */
  open(flow: Flow): void;
}

export function createTunnels(parts: {
  readonly gateway: () => Gateway;
  /** Where the requests that come out of a tunnel are served: as those of the listener. */
  readonly servers: Pick<Http1Server, 'serve'>;
  readonly certificates: AppCertificates;
  readonly handshakeTimeoutMs: number;
}): Tunnels {
  const { servers, certificates, handshakeTimeoutMs } = parts;

  /** What is the app's own business. The app is there before the client is told so. */
  const openOpaque = async <Opened extends Pick<OpenedUpstream, 'dialled' | 'text'>>(
    flow: Flow,
    app: App,
    way: {
      open(gateway: Gateway): Promise<Opened>;
      carry(gateway: Gateway, opened: Opened): void;
      close(opened: Opened): void;
    },
  ): Promise<void> => {
    const gateway = parts.gateway();
    const { exchange, grant } = flow;
    let refusal: Refusal | undefined;
    if (grant !== undefined) grant.cut = (reason) => (refusal = reason);
    let opened: Opened;
    try {
      opened = await way.open(gateway);
    } catch (error) {
      return refuseFlow(flow, gateway, refusalOfError(error, app.name));
    }
    flow.upstream = opened.dialled;
    flow.upstreamText = opened.text;
    if (exchange.isClosed || refusal !== undefined) {
      way.close(opened);
      return refusal === undefined ? neverOpened(flow) : refuseFlow(flow, gateway, refusal);
    }
    afterOpening(
      flow,
      () => way.carry(gateway, opened),
      () => way.close(opened),
    );
  };

  const openRaw = (flow: Flow, app: App): Promise<void> =>
    openOpaque(flow, app, {
      open: ({ upstreams }) => upstreams.open(app),
      carry: (gateway, { socket, input }) =>
        joinStreams(flow, gateway, {
          client: acceptBytes(flow, gateway, []),
          upstream: socket,
          input,
          expectation: expectationOf(app),
        }),
      close: ({ socket }) => void socket.destroy(),
    });

  const openDatagrams = (flow: Flow, app: App): Promise<void> =>
    openOpaque(flow, app, {
      open: ({ upstreams }) => upstreams.openDatagrams(app),
      carry: (gateway, opened) =>
        joinDatagrams(flow, gateway, {
          client: flow.exchange.accept(101, ['capsule-protocol', '?1']),
          opened,
          expectation: expectationOf(app),
        }),
      close: ({ socket }) => void socket.close(),
    });

  /** An http app: the gateway is its TLS server, and each request in the tunnel goes through the whole pipeline. */
  const openHttp = async (flow: Flow, app: App, port: number): Promise<void> => {
    const gateway = parts.gateway();
    const context = port === plainPort ? undefined : await certificates.contextFor(app);
    afterOpening(
      flow,
      () => {
        const stream = acceptBytes(flow, gateway, challengeFields(flow, gateway.engine));
        const tunnel: TunnelContext = { flowId: flow.id, app, port };
        const { connection } = flow.exchange;
        const end = endOnce(flow, gateway, stream);
        if (context === undefined) {
          watch(flow, stream, stream, end);
          servers.serve({ connection, tunnel, scheme: 'http', socket: stream });
          return;
        }
        const inner = new TLSSocket(stream, {
          isServer: true,
          secureContext: context,
          // HTTP/1.1 only: an h2 session does not start on TLS that is itself on a stream of another one (Node 26.10).
          ALPNProtocols: ['http/1.1'],
          // The name must be the tunnel's app; a client that sends none speaks to the only one there is.
          SNICallback(name, callback) {
            if (name.toLowerCase() === app.host) return callback(null, context);
            otherName = name;
            callback(new Error('server name is not the tunnel’s'));
          },
        });
        let otherName: string | undefined;
        let hasStarted = false;
        watch(flow, stream, inner, (endedBy, refusal) => {
          const unexpected =
            hasStarted || endedBy !== 'client' ? undefined : whyNoTls(inner.errored, otherName);
          if (unexpected === undefined) return end(endedBy, refusal);
          end(
            'gateway',
            noteUnexpected(flow, gateway, {
              ...unexpected,
              side: 'client',
              protocol: 'tls',
              isBlocking: true,
            }),
          );
        });
        const timer = setTimeout(() => inner.destroy(), handshakeTimeoutMs);
        inner.once('close', () => clearTimeout(timer));
        inner.once('secure', () => {
          hasStarted = true;
          clearTimeout(timer);
          servers.serve({ connection, tunnel, scheme: 'https', socket: inner });
        });
      },
      () => undefined,
    );
  };

  const afterOpening = (flow: Flow, carry: () => void, otherwise: () => void): void => {
    const gateway = parts.gateway();
    const { exchange, grant } = flow;
    flow.status = 200;
    gateway.record.tunnelOpened(flow);
    const fail = (refusal: Refusal | undefined): void => {
      otherwise();
      exchange.abort();
      gateway.record.tunnelClosed(flow, refusal === undefined ? 'client' : 'gateway', refusal);
      if (grant !== undefined) gateway.grants.close(grant);
    };
    gateway.record.afterWritten(() => {
      if (exchange.isClosed || grant?.ended !== undefined) fail(grant?.ended);
      else carry();
    }, fail);
  };

  /** The client left before its tunnel was open. */
  const neverOpened = (flow: Flow): void => {
    const { record, grants } = parts.gateway();
    record.tunnelClosed(flow, 'client');
    if (flow.grant !== undefined) grants.close(flow.grant);
  };

  return {
    open(flow) {
      const { app, port } = flow;
      if (app === undefined || port === undefined) throw new TypeError('tunnel was not decided');
      const opening =
        flow.capsules === 'datagrams'
          ? openDatagrams(flow, app)
          : app.protocol === 'http'
            ? openHttp(flow, app, port)
            : openRaw(flow, app);
      opening.catch((error: unknown) => {
        const gateway = parts.gateway();
        gateway.log.error({ err: error, flow: flow.id }, 'tunnel failed');
        refuseFlow(flow, gateway, refuse('internal-error'));
      });
    },
  };
}

/** Tells the client that its tunnel is open. @returns the bytes in it. */
function acceptBytes(flow: Flow, gateway: Gateway, fields: readonly string[]): Duplex {
  const { exchange, grant } = flow;
  if (flow.capsules === undefined) return exchange.accept(200, fields);
  const end = (refusal: Refusal): void => grant?.cut?.(refusal);
  return openCapsuleStream(exchange.accept(101, ['capsule-protocol', '?1', ...fields]), {
    onMalformed: (why) => end(refuse('bad-request', why)),
    onToken: (token) => {
      renewToken(token, flow, gateway).then(
        (refusal) => (refusal === undefined ? undefined : end(refusal)),
        (error: unknown) => {
          gateway.log.error({ err: error, flow: flow.id }, 'token not verified');
          end(refuse('internal-error'));
        },
      );
    },
  });
}

/** Why there was no handshake with the client of an http application; undefined where it was the client that gave up. */
function whyNoTls(
  error: NodeJS.ErrnoException | null,
  otherName: string | undefined,
): { readonly reading: Unexpected; readonly looksLike: string } | undefined {
  if (otherName !== undefined)
    return { reading: unexpected('a TLS handshake for another server name', otherName), looksLike: 'tls' };
  const code = error?.code ?? '';
  // An alert is the client's own word; all else is OpenSSL's of what came.
  if (!code.startsWith('ERR_SSL_') || code.includes('ALERT')) return undefined;
  return {
    reading: unexpected('no TLS handshake', code),
    looksLike: code === 'ERR_SSL_HTTP_REQUEST' ? 'http' : 'unknown',
  };
}

type End = (endedBy: EndedBy, refusal?: Refusal) => void;

function endOnce(flow: Flow, { record, grants }: Gateway, stream: Duplex): End {
  let isOver = false;
  const end: End = (endedBy, refusal) => {
    if (isOver) return;
    isOver = true;
    stream.destroy();
    record.tunnelClosed(flow, endedBy, refusal);
    if (flow.grant !== undefined) grants.close(flow.grant);
  };
  return end;
}

/** Counts what the inner connection carried, and ends the tunnel with it. */
function watch(flow: Flow, stream: Duplex, inner: Duplex, end: End): void {
  const { grant } = flow;
  const count = (): void => {
    if (!(inner instanceof TLSSocket)) return;
    flow.bytesIn = inner.bytesRead;
    flow.bytesOut = inner.bytesWritten;
  };
  flow.count = count;
  inner.on('error', () => inner.destroy());
  stream.on('error', () => inner.destroy());
  stream.once('close', () => inner.destroy());
  inner.once('close', () => {
    count();
    end('client');
  });
  if (grant === undefined) return;
  grant.cut = (refusal) => {
    count();
    inner.destroy();
    end('gateway', refusal);
  };
  if (grant.ended !== undefined) grant.cut(grant.ended);
}
