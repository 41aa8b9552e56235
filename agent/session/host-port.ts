import { isIPv6 } from 'node:net';

export interface HostPort {
  /** Lower case; an IPv6 address without brackets. */
  readonly host: string;
  readonly port: number;
}

const shape = /^(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9_.-]+)):([0-9]{1,5})$/;

/** Reads `host:port` or `[v6]:port` exactly: no user, no path, no port left out. Undefined for anything else. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = shape.exec(text);
  if (match === null || text.length > 300) return undefined;
  const [, v6, name, digits] = match;
  const port = Number(digits);
  if (port < 1 || port > 65_535 || (v6 !== undefined && !isIPv6(v6))) return undefined;
  return { host: (v6 ?? name ?? '').toLowerCase(), port };
}

export const formatHostPort = ({ host, port }: HostPort): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
