import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';

/** More addresses of one name are not tried. */
const mostAddresses = 6;

/** The addresses of a name, as `getaddrinfo` finds them, in the order that it prefers. */
export type Resolve = (
  name: string,
) => Promise<readonly { readonly address: string; readonly family: number }[]>;

export const systemResolve: Resolve = (name) => lookup(name, { all: true, order: 'verbatim' });

/**
 * The numeric addresses of a host in the order to try them: families take turns, beginning with the one that the system
 * prefers (RFC 8305, section 4), so that a network where one of them is broken costs one delay and not six.
 */
export async function resolveHost(
  host: string,
  resolve: Resolve = systemResolve,
): Promise<readonly string[]> {
  if (isIP(host) !== 0) return [host];
  const found = await resolve(host);
  const first = found.filter(({ family }) => family === found[0]?.family);
  const second = found.filter(({ family }) => family !== found[0]?.family);
  const order = first.flatMap((each, index) => [each, ...second.slice(index, index + 1)]);
  return [...order, ...second.slice(first.length)].map(({ address }) => address).slice(0, mostAddresses);
}
