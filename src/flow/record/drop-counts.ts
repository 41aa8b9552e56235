import { flowClasses } from '../../domain/flow.ts';
import type { FlowClass } from '../../domain/flow.ts';
import type { Finding } from '../../domain/finding.ts';
import { createUuidV7 } from './uuid.ts';

/** Counts records that were left out, from the first until there is room again: one finding, told again while it lasts. */
export interface DropCounts {
  count(flowClass: FlowClass, at: number): void;
  /** What is new to tell; undefined where nothing is. `isGoingOn`: whether there still is no room. */
  take(at: number, isGoingOn: boolean): Omit<Finding, 'description'> | undefined;
  /** Since the start. */
  readonly totals: Readonly<Record<FlowClass, number>>;
}

export function createDropCounts(): DropCounts {
  const totals: Record<FlowClass, number> = { requests: 0, tunnels: 0 };
  let running: { id: string; since: number; last: number; counts: Record<FlowClass, number> } | undefined;
  let isTold = false;
  let toldCount = 0;
  return {
    totals,
    count(flowClass, at) {
      totals[flowClass] += 1;
      running ??= { id: createUuidV7(at), since: at, last: at, counts: { requests: 0, tunnels: 0 } };
      running.last = at;
      running.counts[flowClass] += 1;
    },
    take(at, isGoingOn) {
      if (running === undefined) return undefined;
      const { id, since, last, counts } = running;
      const count = flowClasses.reduce((sum, name) => sum + counts[name], 0);
      const state = !isGoingOn ? 'closed' : isTold ? 'updated' : 'new';
      if (state === 'updated' && count === toldCount) return undefined;
      isTold = isGoingOn;
      toldCount = count;
      if (!isGoingOn) running = undefined;
      return {
        id,
        rule: 'records-dropped',
        title: 'Flow records were left out',
        severity: 'high',
        state,
        at,
        firstSeenAt: since,
        lastSeenAt: last,
        flows: [],
        counts: { ...counts },
      };
    },
  };
}
