import type { NamesRequest } from './names-request.ts';
import { run, tryToRun } from './step.ts';
import type { Step } from './step.ts';

export const resolverDirectory = '/etc/resolver';
const mark = '# postern-agent';
const ifconfig = '/sbin/ifconfig';

/** resolver(5): one file a domain. The address is kept in it, for whoever undoes this. */
const fileOf = (address: string | null, server: string, port: string): string =>
  `${mark} ${address ?? '-'}\nnameserver ${server}\nport ${port}\n`;

/** A file of `/etc/resolver` as it was found. */
export interface ResolverFile {
  readonly path: string;
  readonly content: string;
}

const isOurs = ({ content }: ResolverFile): boolean => content.startsWith(`${mark} `);

/** macOS has 127.0.0.1 alone until it is given the other addresses. A domain of others is left to them. */
export function leadByResolverFiles(
  { hosts, resolver }: NamesRequest,
  found: readonly ResolverFile[],
): readonly Step[] {
  const [server = '', port = ''] = resolver.split(':');
  const theirs = new Set(found.filter((file) => !isOurs(file)).map(({ path }) => path));
  const led = hosts.filter(({ host }) => !theirs.has(`${resolverDirectory}/${host}`));
  const addresses = [server, ...led.flatMap(({ address }) => (address === null ? [] : [address]))];
  return [
    ...undoResolverFiles(found),
    ...addresses.map((address) => run(ifconfig, 'lo0', 'alias', `${address}/32`)),
    ...led.map(
      ({ host, address }): Step => ({
        kind: 'write',
        path: `${resolverDirectory}/${host}`,
        content: fileOf(address, server, port),
      }),
    ),
    ...flush,
  ];
}

export function undoResolverFiles(found: readonly ResolverFile[]): readonly Step[] {
  const ours = found.filter(isOurs);
  if (ours.length === 0) return [];
  const addresses = new Set(
    ours.flatMap(
      ({ content }) => content.match(/127\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.\d{1,3}\.\d{1,3}/g) ?? [],
    ),
  );
  return [
    ...ours.map(({ path }): Step => ({ kind: 'remove', path })),
    ...[...addresses].map((address) => tryToRun(ifconfig, 'lo0', '-alias', address)),
    ...flush,
  ];
}

const flush: readonly Step[] = [
  tryToRun('/usr/bin/dscacheutil', '-flushcache'),
  tryToRun('/usr/bin/killall', '-HUP', 'mDNSResponder'),
];
