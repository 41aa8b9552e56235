import type { DatagramSign } from '../../contract/app-probe.ts';
import type { Upstream } from '../../routing/upstream.ts';

/** What a flow of datagrams may note of its upstream. */
export type NoteSign = (last: DatagramSign['last']) => void;

/**
 * What flows of datagrams lately showed of an upstream. UDP has no connection that could be tried, and a datagram made up
 * for the purpose might do something at the application, so nothing but what programs sent tells whether it is there.
 */
export interface DatagramSigns {
  /** For a flow that begins now. That it heard nothing says little where another was answered meanwhile. */
  noteFor(upstream: Upstream): NoteSign;
  /** The last sign of the upstream, while it says anything about now. */
  last(upstream: Upstream): DatagramSign | undefined;
}

/** What was seen before that says nothing any more. */
const goodForMs = 5 * 60_000;

/** @param now epoch milliseconds. */
export function createDatagramSigns(now: () => number): DatagramSigns {
  // By the upstream itself: each version of an application has its own, so what is known ends with that version.
  const signs = new WeakMap<Upstream, { last: DatagramSign['last']; at: number }>();
  return {
    noteFor(upstream) {
      const startedAt = now();
      return (last) => {
        const sign = signs.get(upstream);
        if (last === 'silent' && sign !== undefined && sign.at >= startedAt) return;
        if (sign === undefined) signs.set(upstream, { last, at: now() });
        else Object.assign(sign, { last, at: now() });
      };
    },
    last(upstream) {
      const sign = signs.get(upstream);
      if (sign === undefined) return undefined;
      const agoMs = now() - sign.at;
      return agoMs > goodForMs
        ? undefined
        : { last: sign.last, secondsAgo: Math.max(0, Math.floor(agoMs / 1000)) };
    },
  };
}
