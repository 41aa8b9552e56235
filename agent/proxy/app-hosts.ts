import type { AgentConfig } from '../../src/contract/control-api.ts';

export type AppEntry = AgentConfig['apps'][number];

/** Which hosts are applications: an exact map, never a suffix or a pattern. */
export interface AppHosts {
  /** An application of the host; undefined where it has none. */
  find(host: string): AppEntry | undefined;
  /** All of each host: several that are no HTTP may share one, each with ports of its own. */
  readonly byHost: ReadonlyMap<string, readonly AppEntry[]>;
}

const hostShape = /^[a-z0-9.-]{1,253}$/;

/** Host names compare without case (RFC 4343). A name that is not plain ASCII is no application's. */
export const normalizeHost = (host: string): string => host.toLowerCase();

export function buildAppHosts(apps: readonly AppEntry[]): AppHosts {
  const byHost = new Map<string, AppEntry[]>();
  for (const app of apps) {
    const host = normalizeHost(app.host);
    // Configuration is trusted, but it ends up in a script (proxy.pac): nothing goes there that is no host name.
    if (!hostShape.test(host)) continue;
    const others = byHost.get(host);
    if (others === undefined) byHost.set(host, [app]);
    else others.push(app);
  }
  return { find: (host) => byHost.get(normalizeHost(host))?.[0], byHost };
}
