import type { App } from '../domain/resources.ts';
import { parseUpstream } from './upstream.ts';
import type { Upstream } from './upstream.ts';

/** Which upstream of an app to try, and what was learned of each by trying. One for each worker. */
export interface UpstreamChoice {
  /**
   * All upstreams of the app in the order to try them: round robin over those in service, then those that failed
   * lately, soonest back first. Where all failed lately they are tried all the same: a wrong guess must not be an outage.
   */
  candidates(app: App, nowMs: number): readonly Upstream[];
  /** A dial failed: the upstream is passed over for a time that doubles with each failure in a row. */
  failed(app: App, upstream: Upstream, nowMs: number): void;
  /** A dial worked: the upstream is in service again. */
  succeeded(app: App, upstream: Upstream): void;
}

export interface EjectionTimes {
  readonly firstMs: number;
  readonly maxMs: number;
}

interface Member {
  readonly upstream: Upstream;
  failuresInARow: number;
  outUntilMs: number;
}

export function createUpstreamChoice(
  times: EjectionTimes = { firstMs: 1000, maxMs: 60_000 },
): UpstreamChoice {
  // By the app itself and not its name: what is known of an app ends with that version of it.
  const known = new WeakMap<App, { readonly members: readonly Member[]; next: number }>();
  const rotationOf = (app: App): { readonly members: readonly Member[]; next: number } => {
    let rotation = known.get(app);
    if (rotation === undefined) {
      const members = app.upstreams.map((text) => ({
        upstream: parseUpstream(text),
        failuresInARow: 0,
        outUntilMs: Number.NEGATIVE_INFINITY,
      }));
      rotation = { members, next: 0 };
      known.set(app, rotation);
    }
    return rotation;
  };
  const memberOf = (app: App, { host, port, scheme }: Upstream): Member | undefined =>
    rotationOf(app).members.find(
      ({ upstream }) => upstream.host === host && upstream.port === port && upstream.scheme === scheme,
    );

  return {
    candidates(app, nowMs) {
      const rotation = rotationOf(app);
      const { members, next } = rotation;
      const turned = [...members.slice(next), ...members.slice(0, next)];
      const inService = turned.filter(({ outUntilMs }) => outUntilMs <= nowMs);
      const out = turned
        .filter(({ outUntilMs }) => outUntilMs > nowMs)
        .toSorted((a, b) => a.outUntilMs - b.outUntilMs);
      const ordered = [...inService, ...out];
      const [first] = ordered;
      // From the one that was chosen, not by one step: else the neighbor of an ejected member gets two turns of three.
      if (first !== undefined) rotation.next = (members.indexOf(first) + 1) % members.length;
      return ordered.map(({ upstream }) => upstream);
    },
    failed(app, upstream, nowMs) {
      const member = memberOf(app, upstream);
      if (member === undefined) return;
      // Dials that were under way together are one failure: else a burst of requests ejects for the longest time.
      if (member.outUntilMs > nowMs) return;
      const { firstMs, maxMs } = times;
      member.outUntilMs = nowMs + Math.min(maxMs, firstMs * 2 ** member.failuresInARow);
      member.failuresInARow = Math.min(member.failuresInARow + 1, 32);
    },
    succeeded(app, upstream) {
      const member = memberOf(app, upstream);
      if (member === undefined) return;
      member.failuresInARow = 0;
      member.outUntilMs = Number.NEGATIVE_INFINITY;
    },
  };
}
