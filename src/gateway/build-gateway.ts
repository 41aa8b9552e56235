import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { WorkerCounters } from '../contract/ipc.ts';
import { refuse } from '../contract/refusals.ts';
import type { ConnectionFacts, FlowOutcome } from '../domain/flow.ts';
import type { Refusal } from '../contract/refusals.ts';
import { buildAppTable } from '../routing/app-table.ts';
import { createUpstreamChoice } from '../routing/upstream-choice.ts';
import type { ClientConnection, Origin } from './connection.ts';
import { createUnreadExchange, factsOf } from './exchange.ts';
import { createForwardedHeaders } from './forwarded-headers.ts';
import { createForwarder } from './forward.ts';
import { v7 } from './flow-id.ts';
import type { GatewayCore } from './gateway-core.ts';
import type { GatewayParts, ServerIdentity } from './gateway-parts.ts';
import { createLiveFlows } from './grants.ts';
import { createHttpServers } from './http-servers.ts';
import { createListener } from './listener.ts';
import { buildRefusalAnswer } from './refusal-answer.ts';
import { createServerNames } from './server-names.ts';
import { serveRequest } from './serve-request.ts';
import { serveTunnel } from './tunnel.ts';
import { serveUpgrade } from './upgrade.ts';
import { createUpstreamPools } from './upstream-pools.ts';

/** A policy enforcement point in this process. */
export interface Gateway {
  /** @param port 0 takes a free one. @returns the port. */
  listen(port: number, options?: { readonly reusePort?: boolean }): Promise<number>;
  /** The state has moved: new rules are in force and what they deny is cut when this returns. */
  changed(): void;
  /** Decides live flows again, for what time alone ends. */
  review(): void;
  replaceIdentity(identity: ServerIdentity): void;
  counters(): WorkerCounters;
  /** Takes nothing new, lets what is under way end, and closes after `drainTimeoutMs` at the latest. */
  drain(): Promise<void>;
  close(): Promise<void>;
}

export function buildGateway(parts: GatewayParts): Gateway {
  const { settings, state, engine, recorder, now } = parts;
  const { limits } = settings;
  engine.load(state);
  let table = buildAppTable(state.apps.values());
  let listenerPort = settings.gateway.port;
  const names = createServerNames(parts, state);
  const choice = createUpstreamChoice();
  const pools = createUpstreamPools(parts.dialer, limits, parts.upstreamAuthorities);
  const seconds = (): number => Math.floor(now() / 1000);
  const sockets = new Set<Duplex>();

  const stillKnown = ({ certificate }: ClientConnection, at: number): Refusal | undefined => {
    const device = state.devices.get(certificate.device);
    if (device === undefined) return refuse('device-unknown', certificate.device);
    if (device.state === 'revoked' || device.state === 'lost')
      return refuse('device-revoked', `${device.id} is ${device.state}`);
    if (!device.certificates.some(({ thumbprint }) => thumbprint === certificate.thumbprint))
      return refuse('certificate-unknown', certificate.serial);
    return certificate.notAfter <= at ? refuse('certificate-expired', certificate.serial) : undefined;
  };
  const live = createLiveFlows(engine, stillKnown);

  const authentication = (
    facts: ConnectionFacts,
    more: object,
    outcome: Pick<FlowOutcome, 'refusal' | 'detail' | 'endedBy'>,
  ): void =>
    recorder.authentication(
      { id: v7(), connection: facts, startedAt: facts.startedAt, ...more },
      { endedAt: now(), bytesIn: 0, bytesOut: 0, ...outcome },
    );

  const core: GatewayCore = {
    ...parts,
    live,
    choice,
    forwarder: createForwarder(pools, choice, limits.bodyIdleTimeoutMs, now),
    forwardedHeaders: createForwardedHeaders(settings.domain, parts.assertionKey),
    counters: { requests: 0, records: 0, refusals: new Map() },
    routes: () => ({ table, gatewayName: settings.gateway.name, listenerPort }),
    tokenAccepted: (exchange, subject) => {
      authentication(exchange.origin.connection.facts, { subject }, { endedBy: 'client' });
      live.review(seconds());
    },
  };

  const http = createHttpServers(
    limits,
    {
      request: (exchange, expectsContinue) =>
        guarded(() => serveRequest(core, exchange, expectsContinue), exchange.origin.connection),
      upgrade: (exchange, client, head) =>
        guarded(() => serveUpgrade(core, exchange, client, head), exchange.origin.connection),
      tunnel: (exchange, client) =>
        guarded(() => serveTunnel(core, exchange, client, serveInside), exchange.origin.connection),
      malformed: (origin, refusal) => {
        const exchange = createUnreadExchange(origin, now());
        core.counters.refusals.set(refusal.code, (core.counters.refusals.get(refusal.code) ?? 0) + 1);
        const answer = buildRefusalAnswer(refusal, exchange);
        recorder.request(factsOf(exchange), {
          endedAt: now(),
          status: answer.status,
          bytesIn: 0,
          bytesOut: Buffer.byteLength(answer.body),
          refusal: refusal.code,
          endedBy: 'gateway',
          ...(refusal.detail === undefined ? {} : { detail: refusal.detail }),
        });
        return answer;
      },
    },
    now,
  );

  /** Whatever goes wrong with one client's request ends that client's connection and nothing else. */
  function guarded(work: () => void, { transport }: ClientConnection): void {
    try {
      work();
    } catch (error) {
      parts.log.error({ err: error }, 'request failed');
      transport.destroy();
    }
  }

  function serveInside(stream: Duplex, origin: Origin): void {
    const app = origin.tunnel?.app;
    if (app === undefined) throw new TypeError('not in a tunnel');
    if (origin.tunnel?.scheme === 'http') return http.serve(stream, origin, 'http/1.1');
    names.inner(app).then(
      (secureContext) => {
        // HTTP/1.1 only: Node's h2 sessions do not start on TLS over a stream of another h2 session (26.10).
        const inner = new TLSSocket(stream as never, {
          isServer: true,
          secureContext,
          ALPNProtocols: ['http/1.1'],
        });
        const bound = setTimeout(() => inner.destroy(), limits.handshakeTimeoutMs);
        inner.on('error', () => inner.destroy());
        inner.once('close', () => clearTimeout(bound));
        inner.once('secure', () => {
          clearTimeout(bound);
          const { servername } = inner as { servername?: string | false };
          if (typeof servername === 'string' && servername !== '' && servername.toLowerCase() !== app.host)
            return void inner.destroy();
          guarded(() => http.serve(inner, origin, 'http/1.1'), origin.connection);
        });
      },
      () => stream.destroy(),
    );
  }

  const listener = createListener(parts, names, {
    connected: (connection, protocol) => {
      const { transport } = connection;
      if (draining) return void transport.destroy();
      if (!recorder.healthy()) {
        authentication(connection.facts, {}, { endedBy: 'gateway', refusal: 'not-ready' });
        return void transport.destroy();
      }
      live.connections.add(connection);
      transport.once('close', () => live.connections.delete(connection));
      guarded(() => http.serve(transport, { connection }, protocol), connection);
    },
    refused: (facts, refusal) => {
      core.counters.refusals.set(refusal.code, (core.counters.refusals.get(refusal.code) ?? 0) + 1);
      authentication(
        facts,
        {},
        {
          endedBy: 'gateway',
          refusal: refusal.code,
          ...(refusal.detail === undefined ? {} : { detail: refusal.detail }),
        },
      );
    },
  });
  listener.on('connection', (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });

  let draining = false;
  // Time alone ends tokens and lets postures grow old; once a second is soon enough for both.
  const timer = setInterval(() => live.review(seconds()), 1000).unref();
  names.refresh();

  const close = async (): Promise<void> => {
    clearInterval(timer);
    const closed = new Promise<void>((resolve) => listener.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
    await pools.close();
  };

  return {
    listen: (port, options = {}) =>
      new Promise((resolve, reject) => {
        listener.once('error', reject);
        listener.listen(
          { port, host: settings.gateway.listen, reusePort: options.reusePort === true, backlog: 1024 },
          () => {
            listener.off('error', reject);
            listener.on('error', (error) => parts.log.error({ err: error }, 'listener failed'));
            listenerPort = (listener.address() as AddressInfo).port;
            resolve(listenerPort);
          },
        );
      }),
    changed() {
      engine.load(state);
      table = buildAppTable(state.apps.values());
      live.review(seconds());
      names.refresh();
      pools.keepOnly(state.apps.values());
    },
    review: () => live.review(seconds()),
    replaceIdentity: (identity) => names.replaceGateway(identity),
    counters: () => ({
      connections: live.connections.size,
      flowsOpen: live.open,
      requestsTotal: core.counters.requests,
      refusalsTotal: Object.fromEntries(core.counters.refusals),
      recordsWritten: core.counters.records,
      residentBytes: process.memoryUsage.rss(),
    }),
    async drain() {
      draining = true;
      listener.close();
      http.drain();
      const deadline = now() + limits.drainTimeoutMs;
      while (live.open > 0 && now() < deadline) await new Promise((resolve) => setTimeout(resolve, 25));
      await close();
    },
    close,
  };
}
