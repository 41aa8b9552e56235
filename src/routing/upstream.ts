import type { UpstreamAddress } from '../contract/ipc.ts';
import { parseUpstreamUrl } from '../domain/upstream-url.ts';

/** Where an app lives inside its network, as the gateway dials and speaks to it. */
export interface Upstream {
  readonly scheme: 'http' | 'https' | 'tcp' | 'udp';
  /** Lower-case ASCII name or numeric address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** Whether the gateway speaks TLS to it. */
  readonly tls: boolean;
}

/**
 * Reads an upstream of an app that was checked before it was written to the ledger.
 * @throws TypeError for anything else.
 */
export function parseUpstream(text: string): Upstream {
  const url = parseUpstreamUrl(text);
  if ('problem' in url) throw new TypeError(`upstream ${JSON.stringify(text)} ${url.problem}`);
  const { scheme, host, port } = url;
  return { scheme, host, port, tls: scheme === 'https' };
}

/** What a connector is asked for. */
export const addressOf = ({
  scheme,
  host,
  port,
}: Pick<Upstream, 'scheme' | 'host' | 'port'>): UpstreamAddress =>
  scheme === 'udp' ? { host, port, transport: 'udp' } : { host, port };
