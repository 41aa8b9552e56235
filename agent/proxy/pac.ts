import type { AppHosts } from './app-hosts.ts';

/**
 * A proxy auto-configuration that sends exactly the hosts of applications to us and all else where it went before. An
 * exact look-up: a pattern could catch hosts that are none of ours. There is no fallback to DIRECT for them, which
 * would ask the open internet for an application's name. What is no HTTP goes by SOCKS, byte for byte: a browser would
 * put a request in absolute form to PROXY, which no such application reads.
 */
export function buildPac({ byHost }: AppHosts, proxyPort: number): string {
  const place = `127.0.0.1:${proxyPort}`;
  const ways = [...byHost].map(([host, apps]) => [
    host,
    apps.some(({ protocol }) => protocol === 'http') ? 1 : 2,
  ]);
  const table = JSON.stringify(Object.fromEntries(ways));
  return [
    `var applications = ${table};`,
    // ES3: Windows reads it with an engine of its own.
    'function FindProxyForURL(url, host) {',
    '  host = host.toLowerCase();',
    '  if (!Object.prototype.hasOwnProperty.call(applications, host)) return "DIRECT";',
    `  return applications[host] === 1 ? "PROXY ${place}" : "SOCKS5 ${place}; SOCKS ${place}";`,
    '}',
    '',
  ].join('\n');
}
