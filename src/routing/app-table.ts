import { portsOf } from '../domain/app-ports.ts';
import type { App } from '../domain/resources.ts';

/** Which app a client asks for: an exact map of hosts, no wildcard, no suffix, no order that matters. */
export interface AppTable {
  /**
   * The app at a host and port, or without a port the only app at a host. `undefined` also where the ledger, against
   * its own checks, holds two apps for one place: what is ambiguous is refused.
   */
  find(host: string, port?: number): App | undefined;
  /** Whether any app has the host: tells "unknown app" from "wrong port of a known one". */
  hasHost(host: string): boolean;
}

export function buildAppTable(apps: Iterable<App>): AppTable {
  const byHost = new Map<string, App[]>();
  for (const app of apps) {
    const atHost = byHost.get(app.host);
    if (atHost === undefined) byHost.set(app.host, [app]);
    else atHost.push(app);
  }
  const appsAt = (host: string): readonly App[] => {
    const name = hostKey(host);
    return (name === undefined ? undefined : byHost.get(name)) ?? [];
  };
  return {
    find(host, port) {
      const candidates = appsAt(host).filter((app) => port === undefined || portsOf(app).includes(port));
      return candidates.length === 1 ? candidates[0] : undefined;
    },
    hasHost: (host) => appsAt(host).length > 0,
  };
}

/**
 * Lower case only after the check for ASCII: `toLowerCase` makes a plain `k` of the Kelvin sign, so that a host that
 * no certificate, resolver or policy knows would become one that they do.
 */
function hostKey(host: string): string | undefined {
  return /^[\x21-\x7e]+$/.test(host) ? host.toLowerCase() : undefined;
}
