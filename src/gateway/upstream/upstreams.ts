import type { Settings } from '../../contract/settings.ts';
import type { App } from '../../domain/resources.ts';
import type { Dialer } from '../../routing/dialer.ts';
import type { Upstream } from '../../routing/upstream.ts';
import { createUpstreamChoice } from '../../routing/upstream-choice.ts';
import { createUpstreamOpener } from './open-upstream.ts';
import type { OpenedUpstream, UpstreamOpener } from './open-upstream.ts';
import type { StreamingLimits } from './streaming-call.ts';
import { createUpstreamPool } from './upstream-pool.ts';
import type { UpstreamConnection, UpstreamPool } from './upstream-pool.ts';

export interface TakenConnection {
  readonly pool: UpstreamPool;
  readonly connection: UpstreamConnection;
}

/** All that a worker has of upstreams. */
export interface Upstreams {
  /** A kept connection to an upstream of the app, at once where one is idle. Rejects with UpstreamError. */
  take(app: App): TakenConnection | Promise<TakenConnection>;
  /** A connection of one's own, never kept. Rejects with UpstreamError. */
  open(app: App): Promise<OpenedUpstream>;
  readonly limits: StreamingLimits;
  /** Closes what is kept for apps that are not among these, object by object. */
  retain(apps: Iterable<App>): void;
  close(): void;
}

const maxWaiting = 4096;

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
  const answerLimits: StreamingLimits = {
    headersTimeoutMs: limits.upstreamHeadersTimeoutMs,
    bodyIdleTimeoutMs: limits.upstreamBodyIdleTimeoutMs,
    maxHeaderBytes: limits.maxHeaderBytes,
  };

  const poolOf = (app: App, upstream: Upstream): UpstreamPool => {
    let ofApp = pools.get(app);
    if (ofApp === undefined) pools.set(app, (ofApp = new Map<Upstream, UpstreamPool>()));
    let pool = ofApp.get(upstream);
    if (pool === undefined) {
      pool = createUpstreamPool(() => opener.open(app, upstream), {
        ...answerLimits,
        maxConnections: limits.upstreamConnectionsPerWorker,
        maxWaiting,
        waitMs: limits.upstreamHeadersTimeoutMs,
      });
      ofApp.set(upstream, pool);
      if (app.upstreams.length === 1) only.set(app, pool);
    }
    return pool;
  };

  const takeFrom = (pool: UpstreamPool): TakenConnection | Promise<TakenConnection> => {
    const taken = pool.take();
    return taken instanceof Promise
      ? taken.then((connection) => ({ pool, connection }))
      : { pool, connection: taken };
  };

  const takeAny = async (app: App, candidates: readonly Upstream[]): Promise<TakenConnection> => {
    let last: unknown;
    for (const upstream of candidates.slice(0, 3)) {
      try {
        return await takeFrom(poolOf(app, upstream));
      } catch (error) {
        last = error;
      }
    }
    throw last;
  };

  return {
    limits: answerLimits,
    take(app) {
      const pool = only.get(app);
      if (pool !== undefined) return takeFrom(pool);
      const candidates = choice.candidates(app, now());
      const [first] = candidates;
      if (first !== undefined && candidates.length === 1) return takeFrom(poolOf(app, first));
      return takeAny(app, candidates);
    },
    open: (app) => opener.openAny(app),
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
      for (const ofApp of pools.values()) for (const pool of ofApp.values()) pool.close();
      pools.clear();
      only.clear();
    },
  };
}
