import type { Settings } from '../contract/settings.ts';

/** `host:port` of the gateways of all zones: this server's own, and those that its settings name beside it. */
export const everyGateway = (
  own: readonly string[],
  { others = [] }: Pick<Settings['gateway'], 'others'>,
): readonly string[] => [...own, ...others.flatMap(({ addresses }) => addresses)];

/** Their ports, as they stand in an address. */
export const portsOf = (addresses: readonly string[]): ReadonlySet<string> =>
  new Set(addresses.map((address) => address.slice(address.lastIndexOf(':') + 1)));
