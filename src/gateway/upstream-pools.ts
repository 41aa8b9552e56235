import { connect as connectTls, rootCertificates } from 'node:tls';
import { isIP } from 'node:net';
import { Pool } from 'undici';
import type { Settings } from '../contract/settings.ts';
import type { App } from '../domain/resources.ts';
import type { NetworkName } from '../domain/ids.ts';
import type { Dialer } from '../routing/dialer.ts';
import type { Upstream } from '../routing/upstream.ts';

/** Kept connections to one upstream of one network. */
export interface UpstreamPool {
  readonly network: NetworkName;
  readonly upstream: Upstream;
  readonly pool: Pool;
  /** Numeric address that was dialled last; the upstream's own until then. */
  address: string;
}

/**
 * Pools by network, host, port and scheme, each level a map of its own: a key of joined strings is how requests came to reach
 * another upstream (GHSA-v574-6498-x57v).
 */
export interface UpstreamPools {
  get(app: App, upstream: Upstream): UpstreamPool;
  /** Closes what is not in use by any of these apps any more. */
  keepOnly(apps: Iterable<App>): void;
  close(): Promise<void>;
}

export function createUpstreamPools(
  dialer: Dialer,
  limits: Settings['limits'],
  upstreamAuthorities: readonly string[],
): UpstreamPools {
  const networks = new Map<string, Map<string, Map<string, UpstreamPool>>>();
  const ca = upstreamAuthorities.length === 0 ? undefined : [...rootCertificates, ...upstreamAuthorities];

  function create(app: App, upstream: Upstream): UpstreamPool {
    const { host, port, tls } = upstream;
    const entry: { -readonly [K in keyof UpstreamPool]: UpstreamPool[K] } = {
      network: app.network as NetworkName,
      upstream,
      address: host,
      pool: new Pool(`${tls ? 'https' : 'http'}://${isIP(host) === 6 ? `[${host}]` : host}:${port}`, {
        connections: limits.upstreamConnectionsPerWorker,
        pipelining: 1,
        headersTimeout: limits.upstreamHeadersTimeoutMs,
        bodyTimeout: limits.upstreamBodyIdleTimeoutMs,
        maxHeaderSize: 65_536,
        allowH2: false,
        connect: (_options, callback) => {
          dialer.dial(app.network, { host, port }).then(
            ({ socket, address }) => {
              entry.address = address;
              if (!tls) return callback(null, socket);
              // The name in the certificate is the upstream's own, or the app's host where it is an address.
              const servername = isIP(host) === 0 ? host : app.host;
              const secure = connectTls({
                socket,
                servername,
                ALPNProtocols: ['http/1.1'],
                ...(ca && { ca }),
              });
              const fail = (error: Error): void => callback(error, null);
              secure.once('error', fail);
              secure.once('secureConnect', () => {
                secure.off('error', fail);
                callback(null, secure);
              });
            },
            (error: unknown) => callback(error instanceof Error ? error : new Error(String(error)), null),
          );
        },
      }),
    };
    return entry;
  }

  const all = (): UpstreamPool[] =>
    [...networks.values()].flatMap((hosts) => [...hosts.values()].flatMap((ports) => [...ports.values()]));

  return {
    get(app, upstream) {
      let hosts = networks.get(app.network);
      if (hosts === undefined) networks.set(app.network, (hosts = new Map()));
      let ports = hosts.get(upstream.host);
      if (ports === undefined) hosts.set(upstream.host, (ports = new Map()));
      // A port number holds no colon; over TLS the app's host is part of what is trusted.
      const key = upstream.tls ? `${upstream.port}:${app.host}` : String(upstream.port);
      let entry = ports.get(key);
      if (entry === undefined) ports.set(key, (entry = create(app, upstream)));
      return entry;
    },
    keepOnly(apps) {
      const used = new Map<string, Set<string>>();
      for (const app of apps) {
        let texts = used.get(app.network);
        if (texts === undefined) used.set(app.network, (texts = new Set()));
        for (const text of app.upstreams) texts.add(text);
      }
      for (const [network, hosts] of networks) {
        const texts = [...(used.get(network) ?? [])];
        for (const [host, ports] of hosts) {
          if (texts.some((text) => text.includes(host))) continue;
          hosts.delete(host);
          for (const { pool } of ports.values()) void pool.close();
        }
      }
    },
    async close() {
      await Promise.all(all().map(({ pool }) => pool.destroy()));
      networks.clear();
    },
  };
}
