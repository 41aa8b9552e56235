import type { AppEntry } from '../proxy/app-hosts.ts';

/** A port at which programs look for an application's host. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

type AppsByHost = ReadonlyMap<string, readonly AppEntry[]>;

/** What of each host is carried as a stream of bytes. */
export const streamEndpoints = (byHost: AppsByHost): Endpoint[] =>
  endpointsOf(byHost, ({ protocol }) => protocol !== 'udp');

/** What of each host is carried as datagrams. */
export const datagramEndpoints = (byHost: AppsByHost): Endpoint[] =>
  endpointsOf(byHost, ({ protocol }) => protocol === 'udp');

const endpointsOf = (byHost: AppsByHost, fits: (app: AppEntry) => boolean): Endpoint[] =>
  [...byHost].flatMap(([host, apps]) => {
    const ports = apps.filter(fits).flatMap((app) => app.ports);
    return [...new Set(ports)].map((port) => ({ host, port }));
  });
