import { lookup, Resolver } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import type { NetworkRegistration } from '../contract/ipc.ts';
import { scopeOfAddress } from '../domain/numeric-address.ts';
import type { AddressScope } from '../domain/numeric-address.ts';
import { DialError } from './dialer.ts';

/** How many addresses of one name are tried. */
const maxAddresses = 4;

/**
 * The numeric addresses of an upstream, in the order to try them. A name is asked of the network's own resolvers and
 * of no other: the machine's know nothing of the network, and could be made to lie about it.
 * @throws DialError `name-unresolved`
 */
export async function resolveUpstream(
  host: string,
  registration: Pick<NetworkRegistration, 'attach' | 'dns'>,
  timeoutMs: number,
): Promise<readonly string[]> {
  if (scopeOfAddress(host) !== undefined) return [host];
  const found = await resolveName(host, registration, timeoutMs);
  const usable = found.filter((address) => isUsable(address, registration)).slice(0, maxAddresses);
  if (usable.length > 0) return usable;
  if (found.length === 0) throw new DialError('name-unresolved', `${host} has no address`);
  throw new DialError(
    'name-unresolved',
    `${host} resolves to ${found.join(', ')}: no address in this network`,
  );
}

async function resolveName(
  host: string,
  { attach, dns }: Pick<NetworkRegistration, 'attach' | 'dns'>,
  timeoutMs: number,
): Promise<string[]> {
  try {
    // For development only, where the network is this machine.
    if (dns.length === 0 && 'direct' in attach) {
      return (await lookup(host, { all: true, order: 'ipv4first' })).map(({ address }) => address);
    }
  } catch (error) {
    throw new DialError('name-unresolved', `${host}: ${codeOf(error)}`);
  }
  if (dns.length === 0)
    throw new DialError('name-unresolved', `${host} is a name, and the network has no dns`);
  const resolver = new Resolver({
    timeout: Math.max(100, Math.floor(timeoutMs / (2 * dns.length))),
    tries: 2,
  });
  resolver.setServers(dns.map((address) => (isIPv4(address) ? address : `[${address}]`)));
  const timer = setTimeout(() => resolver.cancel(), timeoutMs);
  const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
  clearTimeout(timer);
  const found = answers.flatMap((answer) => (answer.status === 'fulfilled' ? answer.value : []));
  const [failure] = answers.flatMap((answer) =>
    answer.status === 'rejected' ? [codeOf(answer.reason)] : [],
  );
  if (found.length === 0) throw new DialError('name-unresolved', `${host} by ${dns.join(', ')}: ${failure}`);
  return found;
}

/**
 * The same bounds that written addresses are checked for, since who writes the zone is not who reviewed the app: a
 * name that comes to point at the connector's own machine or at a cloud's metadata service is not dialled.
 */
function isUsable(address: string, { attach }: Pick<NetworkRegistration, 'attach'>): boolean {
  const scope = scopeOfAddress(address);
  const usable: readonly (AddressScope | undefined)[] =
    'direct' in attach || 'sourceAddress' in attach ? ['global', 'loopback'] : ['global'];
  return usable.includes(scope);
}

export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error);
