import { normalizeHost } from '../proxy/app-hosts.ts';
import type { AppEntry } from '../proxy/app-hosts.ts';
import { parseHostPort } from '../session/host-port.ts';

/** The application that somebody means: by its name, its host, host and port, or an address as a browser shows it. */
export function findAsked(apps: readonly AppEntry[], asked: string): AppEntry | undefined {
  const named = apps.find(({ name }) => name === asked);
  if (named !== undefined) return named;
  const { host, port } = readPlace(asked);
  const there = apps.filter((app) => normalizeHost(app.host) === host);
  return port === undefined
    ? there[0]
    : there.find(({ ports }) => ports.length === 0 || ports.includes(port));
}

function readPlace(asked: string): { host: string; port?: number } {
  const withPort = parseHostPort(asked);
  if (withPort !== undefined) return { host: normalizeHost(withPort.host), port: withPort.port };
  if (!asked.includes('://')) return { host: normalizeHost(asked) };
  try {
    const { hostname, port } = new URL(asked);
    return port === '' ? { host: hostname } : { host: hostname, port: Number(port) };
  } catch {
    return { host: '' };
  }
}
