import type { Duplex } from 'node:stream';
import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { App } from '../domain/resources.ts';
import type { Subject } from '../domain/subject.ts';
import { accessRequest, authorize } from './authorize.ts';
import { carryFlow } from './carry-flow.ts';
import type { Origin } from './connection.ts';
import { dialApp } from './dial-app.ts';
import { factsOf } from './exchange.ts';
import type { Exchange } from './exchange.ts';
import type { GatewayCore } from './gateway-core.ts';
import { refusalOf } from './grants.ts';
import { readHeaders } from './headers.ts';
import { inspect } from './inspect.ts';
import { upstreamRefusal } from './upstream-failure.ts';
import { verifyToken } from './verify-token.ts';

/** How a tunnel is answered on the HTTP version that it was asked for. */
export interface TunnelClient {
  /** Says 200 and gives the stream that the tunnel's bytes are on. */
  accept(): Duplex;
  /** Says why not. */
  refuse(refusal: Refusal): void;
}

const authorityPattern = /^([a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?):([0-9]{1,5})$/;

/**
 * A CONNECT (RFC 9110, section 9.3.6). The same steps as a request's. To an http app the gateway itself is the other
 * end, and each request inside goes through the pipeline; to any other app raw bytes go to its upstream.
 */
export function serveTunnel(
  core: GatewayCore,
  exchange: Exchange,
  client: TunnelClient,
  serveInside: (stream: Duplex, origin: Origin) => void,
): void {
  core.counters.requests += 1;
  const { connection } = exchange.origin;
  const refused = (refusal: Refusal): void => {
    if (exchange.finished) return;
    exchange.finished = true;
    core.counters.refusals.set(refusal.code, (core.counters.refusals.get(refusal.code) ?? 0) + 1);
    core.recorder.tunnelClosed(factsOf(exchange), {
      endedAt: core.now(),
      bytesIn: 0,
      bytesOut: 0,
      endedBy: 'gateway',
      refusal: refusal.code,
      ...(refusal.detail === undefined ? {} : { detail: refusal.detail }),
    });
    core.recorder.whenWritten(() => client.refuse(refusal));
  };

  if (exchange.origin.tunnel !== undefined)
    return refused(refuse('method-not-allowed', 'CONNECT inside a tunnel'));
  const headers = readHeaders(exchange.request.rawHeaders);
  if ('code' in headers) return refused(headers);
  exchange.headers = headers;
  exchange.authority = askedAuthority(exchange).toLowerCase();
  const [, host = '', portText = ''] = authorityPattern.exec(exchange.authority) ?? [];
  if (!core.recorder.healthy()) return refused(refuse('not-ready', 'flow records cannot be written'));

  const nowSeconds = Math.floor(exchange.startedAt / 1000);
  const proceed = (verified: Subject | Refusal): void => {
    const port = Number(portText);
    const { table, gatewayName } = core.routes();
    const app = host === '' ? undefined : table.find(host, port);
    exchange.app = app;
    if ('code' in verified) return refused(verified);
    exchange.subject = verified;
    const { serverName } = connection;
    if (serverName !== undefined && serverName !== gatewayName && serverName !== host)
      return refused(refuse('authority-mismatch', 'another host than the TLS server name'));
    if (host === '' || !table.hasHost(host)) return refused(refuse('application-unknown'));
    if (app === undefined) return refused(refuse('port-unknown'));
    if (app.protocol === 'udp') return refused(refuse('protocol-mismatch', 'udp is not carried'));
    const request = accessRequest(connection, {
      method: 'CONNECT',
      authority: exchange.authority,
      target: '',
    });
    // An http app decides on each request inside; the tunnel itself needs only a subject that is still good.
    if (app.protocol === 'http') return openInside(core, exchange, app, port, client, serveInside);
    exchange.decision = authorize(core.engine, verified, app, request, nowSeconds);
    const denied = refusalOf(exchange.decision) ?? inspect(app);
    if (denied !== undefined) return refused(denied);

    dialApp(core, app, exchange.startedAt).then(
      ({ socket, dialled }) => {
        exchange.upstream = dialled;
        // The policy may have moved while we dialled.
        const { subject = verified } = connection;
        const late = refusalOf(authorize(core.engine, subject, app, request, Math.floor(core.now() / 1000)));
        if (late !== undefined || connection.transport.destroyed) {
          socket.destroy();
          return refused(late ?? refuse('grant-ended', 'client gone'));
        }
        socket.allowHalfOpen = true;
        const facts = factsOf(exchange);
        carryFlow(core, { connection, app, request, facts, client: client.accept(), upstream: socket });
      },
      (error: unknown) => refused(upstreamRefusal(error)),
    );
  };
  const subject = verifyToken(connection, headers.authorization, core.verifier, nowSeconds, (accepted) =>
    core.tokenAccepted(exchange, accepted),
  );
  if (!(subject instanceof Promise)) return proceed(subject);
  subject.then(proceed).catch((error: unknown) => {
    core.log.error({ err: error, flow: exchange.id }, 'tunnel failed');
    refused(refuse('internal-error'));
  });
}

function askedAuthority({ request, httpVersion }: Exchange): string {
  if (httpVersion !== '2.0') return request.url ?? '';
  return 'authority' in request && typeof request.authority === 'string' ? request.authority : '';
}

/** The gateway is the far end: requests inside have the tunnel's subject, and its flow as their parent. */
function openInside(
  core: GatewayCore,
  exchange: Exchange,
  app: App,
  port: number,
  client: TunnelClient,
  serveInside: (stream: Duplex, origin: Origin) => void,
): void {
  const { connection } = exchange.origin;
  const stream = client.accept();
  const facts = factsOf(exchange);
  const carried = { bytesIn: 0, bytesOut: 0 };
  core.recorder.tunnelOpened(facts);
  stream.on('error', () => stream.destroy());
  stream.once('close', () => {
    const why = connection.endedBecause;
    core.recorder.tunnelClosed(facts, {
      endedAt: core.now(),
      ...carried,
      endedBy: why === undefined ? 'client' : 'gateway',
      ...(why === undefined ? {} : { refusal: why.code }),
    });
  });
  serveInside(stream, {
    connection,
    tunnel: { flow: exchange.id, app, port, scheme: port === 80 ? 'http' : 'https', carried },
  });
}
