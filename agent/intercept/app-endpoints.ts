import type { AppEntry } from '../proxy/app-hosts.ts';

/** A port at which programs look for an application's host. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** What of each host can be carried as a stream. Datagrams are not: hosts that have nothing else are left out. */
export function streamEndpoints(byHost: ReadonlyMap<string, readonly AppEntry[]>): Endpoint[] {
  return [...byHost].flatMap(([host, apps]) => {
    const ports = apps.filter(({ protocol }) => protocol !== 'udp').flatMap((app) => app.ports);
    return [...new Set(ports)].map((port) => ({ host, port }));
  });
}
