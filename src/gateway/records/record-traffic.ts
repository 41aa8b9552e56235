import type { FlowRecorder } from '../../domain/flow.ts';
import { Bag } from '../listener/bag.ts';
import type { Bagged } from '../listener/bag.ts';
import { factsOf } from '../flow.ts';
import type { Flow } from '../flow.ts';

/** A tunnel that lives for hours is heard of this often, and after so many bytes, whichever is sooner. */
export const trafficEvery = { ms: 60_000, bytes: 64 * 1024 * 1024 } as const;

interface OpenTunnel extends Bagged {
  readonly flow: Flow;
  /** Epoch milliseconds; with the bytes, as they were when it was last recorded. */
  since: number;
  bytesIn: number;
  bytesOut: number;
}

/** What open tunnels carry, recorded while they are open. One look at all of them, and no timer for each. */
export interface TrafficLog {
  opened(flow: Flow): void;
  closed(flow: Flow): void;
  /** Records those that are due. One that carried nothing is not: idle tunnels cost nothing. */
  tell(): void;
}

export function createTrafficLog(
  recorder: Pick<FlowRecorder, 'tunnelTraffic'>,
  now: () => number,
): TrafficLog {
  const open = new Bag<OpenTunnel>();
  const byFlow = new WeakMap<Flow, OpenTunnel>();

  return {
    opened(flow) {
      const { bytesIn, bytesOut } = flow;
      const tunnel = { flow, since: now(), bytesIn, bytesOut, next: undefined, previous: undefined };
      open.add(tunnel);
      byFlow.set(flow, tunnel);
    },
    closed(flow) {
      const tunnel = byFlow.get(flow);
      if (tunnel !== undefined) open.delete(tunnel);
    },
    tell() {
      if (open.size === 0) return;
      const at = now();
      for (const tunnel of open.snapshot()) {
        const { flow, since } = tunnel;
        flow.count?.();
        const bytesIn = flow.bytesIn - tunnel.bytesIn;
        const bytesOut = flow.bytesOut - tunnel.bytesOut;
        const bytes = bytesIn + bytesOut;
        if (bytes === 0 || (bytes < trafficEvery.bytes && at - since < trafficEvery.ms)) continue;
        tunnel.since = at;
        tunnel.bytesIn = flow.bytesIn;
        tunnel.bytesOut = flow.bytesOut;
        recorder.tunnelTraffic(factsOf(flow), {
          since,
          at,
          bytesIn,
          bytesOut,
          totalIn: flow.bytesIn,
          totalOut: flow.bytesOut,
        });
      }
    },
  };
}
