import type { Socket } from 'node:net';
import type { DialledUpstream } from '../domain/flow.ts';
import type { NetworkName } from '../domain/ids.ts';
import type { App } from '../domain/resources.ts';
import { DialError } from '../routing/dialer.ts';
import type { Upstream } from '../routing/upstream.ts';
import type { GatewayCore } from './gateway-core.ts';

/** One connection of its own to an app, by the first of its upstreams that answers. @throws DialError of the last one tried. */
export async function dialApp(
  core: Pick<GatewayCore, 'choice' | 'dialer' | 'now'>,
  app: App,
  startedAt: number,
): Promise<{ socket: Socket; dialled: DialledUpstream; upstream: Upstream }> {
  let last: unknown = new DialError('unreachable', 'no upstream');
  for (const upstream of core.choice.candidates(app, startedAt)) {
    try {
      const { socket, address } = await core.dialer.dial(app.network, upstream);
      core.choice.succeeded(app, upstream);
      return {
        socket,
        upstream,
        dialled: { network: app.network as NetworkName, address, port: upstream.port },
      };
    } catch (error) {
      core.choice.failed(app, upstream, core.now());
      last = error;
    }
  }
  throw last;
}
