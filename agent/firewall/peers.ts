import { lookup } from 'node:dns/promises';
import { connect, isIP } from 'node:net';
import type { FirewallPolicy } from '../../src/contract/firewall-policy.ts';
import type { Peer } from './firewall-plan.ts';

/** Somebody who may always be reached, by the name that leads there. */
export interface NamedPeer {
  readonly host: string;
  readonly port: number;
}

/** `host:port`, `[::1]:port`, or an origin. Undefined for anything else. */
export function parsePeer(text: string): NamedPeer | undefined {
  const [, host = '', port = ''] =
    /^(?:https:\/\/)?(\[[0-9A-Fa-f:.]+\]|[^:/?#@[\]]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const number = port === '' ? 443 : Number(port);
  if (host === '' || number < 1 || number > 65_535) return undefined;
  return { host: host.replace(/^\[(.*)\]$/, '$1'), port: number };
}

export const peersOf = (policy: FirewallPolicy, control: string): readonly NamedPeer[] =>
  [control, ...policy.gateways].flatMap((text) => parsePeer(text) ?? []);

export interface PeerNetwork {
  /** Numeric addresses of a host. Throws where it cannot be told now. */
  resolve(host: string): Promise<readonly string[]>;
  /** Whether a connection comes about in a short while. */
  canReach(peer: Peer): Promise<boolean>;
}

const reachLimitMs = 3000;

export const realNetwork: PeerNetwork = {
  resolve: async (host) =>
    isIP(host) === 0 ? (await lookup(host, { all: true })).map(({ address }) => address) : [host],
  canReach: ({ address, port }) =>
    new Promise((resolve) => {
      const socket = connect({ host: address, port, timeout: reachLimitMs });
      const end = (isReached: boolean) => (): void => {
        socket.destroy();
        resolve(isReached);
      };
      socket.once('connect', end(true));
      socket.once('timeout', end(false));
      socket.once('error', end(false));
    }),
};

/** How many earlier addresses of a name stay allowed: a name that changes has flows to where it led before. */
const maxAddresses = 16;

/**
 * The addresses of names, as they were last told. One that cannot be resolved keeps what it had: no answer, as in a hotel
 * before its page was seen, is no reason to lock out.
 */
export function createAddressBook(network: Pick<PeerNetwork, 'resolve'>): {
  lookUp(peers: readonly NamedPeer[]): Promise<readonly (readonly Peer[])[]>;
} {
  const known = new Map<string, readonly string[]>();
  return {
    lookUp: (peers) =>
      Promise.all(
        peers.map(async ({ host, port }) => {
          const before = known.get(host) ?? [];
          const now = await network.resolve(host).catch(() => []);
          const valid = now.filter((address) => isIP(address) !== 0 && !address.includes('%'));
          const all = [...new Set([...valid, ...before])].slice(0, maxAddresses);
          known.set(host, all);
          return all.map((address): Peer => ({ address, port }));
        }),
      ),
  };
}
