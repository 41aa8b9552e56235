import type { Settings } from '../../contract/settings.ts';
import type { App } from '../../domain/resources.ts';
import type { Dialer } from '../../routing/dialer.ts';
import type { Upstream } from '../../routing/upstream.ts';
import { createUpstreamChoice } from '../../routing/upstream-choice.ts';
import { createUpstreamOpener } from './open-upstream.ts';
import type { OpenedDatagrams, OpenedUpstream, UpstreamOpener } from './open-upstream.ts';
import { UpstreamConnection } from './upstream-connection.ts';
import type { AnswerLimits, ConnectionKeeper } from './upstream-connection.ts';
import { createUpstreamPool } from './upstream-pool.ts';
import type { UpstreamPool } from './upstream-pool.ts';

/** All that a worker has of upstreams. */
export interface Upstreams {
  /** A kept connection to an upstream of the app, at once where one is idle. Rejects with UpstreamError. */
  take(app: App): UpstreamConnection | Promise<UpstreamConnection>;
  /** A connection of one's own for one request, never kept. Rejects with UpstreamError. */
  takeOwn(app: App): Promise<UpstreamConnection>;
  /** A connection of one's own for another protocol. Rejects with UpstreamError. */
  open(app: App): Promise<OpenedUpstream>;
  /** A datagram socket of one's own. Rejects with UpstreamError. */
  openDatagrams(app: App): Promise<OpenedDatagrams>;
  /** Closes what is kept for apps that are not among these, object by object. */
  retain(apps: Iterable<App>): void;
  close(): void;
}

const maxWaiting = 4096;
/** How much later than its time an upstream that is waited for is given up on, at most. */
const expiryIntervalMs = 200;

/**
 * Kept connections are found by the app and the upstream themselves, never by a key of joined texts: two that look
 * alike can then not be taken for one (GHSA-v574-6498-x57v).
 */
export function createUpstreams(parts: {
  readonly dialer: Dialer;
  readonly settings: Settings;
  readonly authoritiesPem: string | undefined;
  /** Epoch milliseconds. */
  readonly now: () => number;
}): Upstreams {
  const { dialer, settings, authoritiesPem, now } = parts;
  const { limits } = settings;
  const choice = createUpstreamChoice();
  const opener: UpstreamOpener = createUpstreamOpener({
    dialer,
    choice,
    authoritiesPem,
    timeoutMs: limits.dialTimeoutMs,
    now,
  });
  const pools = new Map<App, Map<Upstream, UpstreamPool>>();
  const only = new Map<App, UpstreamPool>();
  const answerLimits: AnswerLimits = {
    headersTimeoutMs: limits.upstreamHeadersTimeoutMs,
    bodyIdleTimeoutMs: limits.upstreamBodyIdleTimeoutMs,
    maxHeaderBytes: limits.maxHeaderBytes,
  };

  /** All connections that speak HTTP. One clock for them costs less than a timer for each request. */
  const connections = new Set<UpstreamConnection>();
  const expiry = setInterval(() => {
    const time = performance.now();
    for (const connection of connections) connection.expire(time);
  }, expiryIntervalMs).unref();
  const connect = (opened: OpenedUpstream, keeper: ConnectionKeeper | undefined): UpstreamConnection => {
    const connection = new UpstreamConnection(
      opened,
      answerLimits,
      {
        free: (free) => keeper?.free(free),
        closed(closed) {
          connections.delete(closed);
          keeper?.closed(closed);
        },
      },
      keeper !== undefined,
    );
    connections.add(connection);
    return connection;
  };

  const poolOf = (app: App, upstream: Upstream): UpstreamPool => {
    let ofApp = pools.get(app);
    if (ofApp === undefined) pools.set(app, (ofApp = new Map<Upstream, UpstreamPool>()));
    let pool = ofApp.get(upstream);
    if (pool === undefined) {
      const kept = createUpstreamPool(async () => connect(await opener.open(app, upstream), kept), {
        maxConnections: limits.upstreamConnectionsPerWorker,
        maxWaiting,
        waitMs: limits.upstreamHeadersTimeoutMs,
      });
      pool = kept;
      ofApp.set(upstream, pool);
      if (app.upstreams.length === 1) only.set(app, pool);
    }
    return pool;
  };

  const takeAny = async (app: App, candidates: readonly Upstream[]): Promise<UpstreamConnection> => {
    let last: unknown;
    for (const upstream of candidates.slice(0, 3)) {
      try {
        return await poolOf(app, upstream).take();
      } catch (error) {
        last = error;
      }
    }
    throw last;
  };

  return {
    take(app) {
      const pool = only.get(app);
      if (pool !== undefined) return pool.take();
      const candidates = choice.candidates(app, now());
      const [first] = candidates;
      if (first !== undefined && candidates.length === 1) return poolOf(app, first).take();
      return takeAny(app, candidates);
    },
    takeOwn: async (app) => connect(await opener.openAny(app), undefined),
    open: (app) => opener.openRaw(app),
    openDatagrams: (app) => opener.openDatagrams(app),
    retain(apps) {
      const kept = new Set(apps);
      for (const [app, ofApp] of pools) {
        if (kept.has(app)) continue;
        pools.delete(app);
        only.delete(app);
        for (const pool of ofApp.values()) pool.close();
      }
    },
    close() {
      clearInterval(expiry);
      for (const ofApp of pools.values()) for (const pool of ofApp.values()) pool.close();
      pools.clear();
      only.clear();
    },
  };
}
