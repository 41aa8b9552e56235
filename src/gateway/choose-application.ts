import { refuse } from '../contract/refusals.ts';
import type { Refusal } from '../contract/refusals.ts';
import type { App } from '../domain/resources.ts';
import type { AppTable } from '../routing/app-table.ts';
import type { Origin } from './connection.ts';

/** The gateway's own few resources, or an app. */
export type Destination = { readonly kind: 'app'; readonly app: App } | { readonly kind: 'gateway' };

/** An authority that was checked: host and, where written, port. */
export function splitAuthority(authority: string): { host: string; port: number | undefined } {
  const colon = authority.lastIndexOf(':');
  if (colon === -1) return { host: authority, port: undefined };
  return { host: authority.slice(0, colon), port: Number(authority.slice(colon + 1)) };
}

/**
 * Which app a request is for. TLS server name and authority must name the same host: one decides which certificate
 * the client saw, the other which app answers. Only the agent's session, which is with the gateway's own name, may ask for any.
 */
export function chooseApplication(
  origin: Origin,
  authority: string,
  parts: { readonly table: AppTable; readonly gatewayName: string; readonly listenerPort: number },
): Destination | Refusal {
  const { host, port } = splitAuthority(authority);
  const { connection, tunnel } = origin;
  if (tunnel !== undefined) {
    if (host !== tunnel.app.host) return refuse('authority-mismatch', 'another host than the tunnel is to');
    if (port !== undefined && port !== tunnel.port)
      return refuse('authority-mismatch', 'another port than the tunnel is to');
    return { kind: 'app', app: tunnel.app };
  }
  const { serverName } = connection;
  if (serverName !== undefined && serverName !== parts.gatewayName && serverName !== host)
    return refuse('authority-mismatch', 'another host than the TLS server name');
  if (host === parts.gatewayName) return { kind: 'gateway' };
  if (!parts.table.hasHost(host)) return refuse('application-unknown');
  const app =
    port === undefined || port === parts.listenerPort
      ? (parts.table.find(host, 443) ?? parts.table.find(host, 80) ?? parts.table.find(host))
      : parts.table.find(host, port);
  if (app === undefined) return refuse('port-unknown');
  if (app.protocol !== 'http') return refuse('protocol-mismatch', `${app.name} is a ${app.protocol} app`);
  return { kind: 'app', app };
}
