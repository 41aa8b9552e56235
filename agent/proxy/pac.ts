/**
 * A proxy auto-configuration that sends exactly the hosts of applications to us and all else where it went before. An
 * exact look-up: a pattern could catch hosts that are none of ours. There is no fallback to DIRECT for them, which
 * would ask the open internet for an application's name.
 */
export function buildPac(hosts: readonly string[], proxyPort: number): string {
  const table = JSON.stringify(Object.fromEntries(hosts.map((host) => [host, 1])));
  return [
    `var applications = ${table};`,
    'function FindProxyForURL(url, host) {',
    '  return Object.prototype.hasOwnProperty.call(applications, host.toLowerCase())',
    `    ? "PROXY 127.0.0.1:${proxyPort}" : "DIRECT";`,
    '}',
    '',
  ].join('\n');
}
