import type { AgentConfig } from '../../src/contract/control-api.ts';
import type { Random } from './backoff.ts';
import type { GatewaySession } from './gateway-session.ts';

/** A gateway that the control plane named. */
export interface Gateway {
  /** In its certificate. */
  readonly name: string;
  readonly zone?: string;
  /** `host:port`, to be tried in order. */
  readonly addresses: readonly string[];
}

/** One address of a gateway. */
export interface GatewayTarget {
  readonly name: string;
  readonly zone?: string;
  readonly address: string;
}

export const gatewaysOf = (config: AgentConfig): readonly Gateway[] => config.gateways ?? [config.gateway];

/** Whether a session leads to this gateway. */
export const leadsTo = (session: Pick<GatewaySession, 'name' | 'address'>, gateway: Gateway): boolean =>
  session.name === gateway.name && gateway.addresses.includes(session.address);

/** The gateways that can stand in for that of a session: those of other zones, or where there is none, the others. */
export function substitutesFor(
  session: Pick<GatewaySession, 'name' | 'address' | 'zone'>,
  gateways: readonly Gateway[],
): readonly Gateway[] {
  const others = gateways.filter((gateway) => !leadsTo(session, gateway));
  const elsewhere = others.filter(({ zone }) => zone === undefined || zone !== session.zone);
  return elsewhere.length > 0 ? elsewhere : others;
}

/**
 * Every address, in the order to try them: the first of each gateway, then the second of each, so that one that is gone
 * with all its addresses does not keep the others waiting.
 */
export function targetsOf(gateways: readonly Gateway[]): readonly GatewayTarget[] {
  const most = Math.max(0, ...gateways.map(({ addresses }) => addresses.length));
  return Array.from({ length: most }, (_, index) =>
    gateways.flatMap(({ name, zone, addresses }) => {
      const address = addresses[index];
      return address === undefined ? [] : [{ name, address, ...(zone === undefined ? {} : { zone }) }];
    }),
  ).flat();
}

/** Which gateway to try first, by what was seen of them. */
export interface GatewayRanking {
  /** A round trip to a gateway took this long. */
  noteRoundTrip(session: Pick<GatewaySession, 'name' | 'address'>, ms: number): void;
  /** It did not answer: it comes after the others until it did. */
  noteFailure(target: Pick<GatewaySession, 'name' | 'address'>): void;
  /** Nearest first. Of those that nothing is known of, each laptop has an order of its own: a fleet spreads out. */
  order(gateways: readonly Gateway[]): readonly Gateway[];
}

/** Round trips within so many milliseconds of each other are the same distance. */
const sameDistanceMs = 5;

export function createGatewayRanking(random: Random): GatewayRanking {
  let known: { readonly name: string; readonly address: string; readonly ms: number }[] = [];
  const note = ({ name, address }: { name: string; address: string }, ms: number): void => {
    // Configurations change, and what is not named any more need not be known.
    known = [{ name, address, ms }, ...known.filter((each) => each.address !== address)].slice(0, 256);
  };
  const distance = (gateway: Gateway): number => {
    const seen = known.filter((each) => leadsTo(each, gateway)).map(({ ms }) => ms);
    // Unknown is worth a try before one that is known to fail.
    return seen.length === 0 ? 1e6 : Math.round(Math.min(...seen) / sameDistanceMs);
  };
  return {
    noteRoundTrip: note,
    noteFailure: (target) => note(target, Infinity),
    order: (gateways) =>
      gateways
        .map((gateway) => ({ gateway, distance: distance(gateway), dice: random() }))
        .sort((a, b) => (a.distance === b.distance ? a.dice - b.dice : a.distance - b.distance))
        .map(({ gateway }) => gateway),
  };
}
