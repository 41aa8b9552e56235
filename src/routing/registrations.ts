import type { NetworkRegistration, UpstreamAddress } from '../contract/ipc.ts';
import type { ControlState } from '../domain/control-state.ts';
import { parseUpstreamUrl } from '../domain/upstream-url.ts';
import { addressOf } from './upstream.ts';

/**
 * What each network's connector may dial: the upstreams of the apps in that network, and nothing else anywhere.
 * Sorted, so that equal states give equal registrations. An upstream that cannot be read is left out, and so cannot
 * be reached.
 */
export function registrations(
  state: Pick<ControlState, 'networks' | 'apps'>,
): readonly NetworkRegistration[] {
  const upstreamsOf = new Map<string, UpstreamAddress[]>();
  for (const app of state.apps.values()) {
    const known = upstreamsOf.get(app.network) ?? [];
    for (const text of app.upstreams) {
      const url = parseUpstreamUrl(text);
      if ('problem' in url) continue;
      const address = addressOf(url);
      if (!isRegistered(known, address)) known.push(address);
    }
    upstreamsOf.set(app.network, known);
  }
  return [...state.networks.values()]
    .map(({ name, attach, dns = [] }) => ({
      name,
      attach,
      dns,
      upstreams: (upstreamsOf.get(name) ?? []).toSorted(compareAddresses),
    }))
    .toSorted((a, b) => compareTexts(a.name, b.name));
}

/** Field by field: a key made of joined strings is how requests came to reach another upstream (GHSA-v574-6498-x57v). */
export function isRegistered(
  upstreams: readonly UpstreamAddress[],
  { host, port, transport }: UpstreamAddress,
): boolean {
  return upstreams.some(
    (upstream) => upstream.host === host && upstream.port === port && upstream.transport === transport,
  );
}

const compareTexts = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const compareAddresses = (a: UpstreamAddress, b: UpstreamAddress): number =>
  compareTexts(a.host, b.host) || a.port - b.port || compareTexts(a.transport ?? '', b.transport ?? '');
