import { flowClassNames } from '../../contract/flow-search.ts';
import { controlWorker } from '../spool/chain.ts';
import { createCollector } from './collect-rows.ts';
import type { FlowFilter } from './flow-query.ts';
import type { Searcher } from './searcher.ts';

/**
 * Searches records of flows and the access log where no one user may read both: each is asked for its own. What the first has
 * under the number of the control process does not count; it may be of a time when one user had it all, or made up.
 */
export function joinSearchers(flows: Searcher, access: Searcher): Searcher {
  return {
    buckets: flows.buckets,
    async ask(query, signal) {
      if (query.from !== undefined) return flows.ask(query, signal);
      const { ofFlows, ofAccess } = sidesOf(query.filter);
      const collector = createCollector(query);
      const answers = await Promise.all([
        ...(ofFlows ? [flows.ask({ ...query, exceptWorker: controlWorker }, signal)] : []),
        ...(ofAccess ? [access.ask(query, signal)] : []),
      ]);
      for (const answer of answers) collector.addAnswer(answer);
      return collector.answer();
    },
    follow(filter, signal) {
      const { ofFlows, ofAccess } = sidesOf(filter);
      const started = new AbortController();
      const either = AbortSignal.any([signal, started.signal]);
      try {
        return merge([
          ...(ofFlows ? [flows.follow(filter, either)] : []),
          ...(ofAccess ? [access.follow(filter, either)] : []),
        ]);
      } catch (error) {
        // The one that was let in follows nobody.
        started.abort();
        throw error;
      }
    },
    close() {
      flows.close();
      access.close();
    },
  };
}

const onlyInAccess = new Set<number>([flowClassNames.access]);
const inBoth = new Set<number>([flowClassNames.change]);

/** Who can have what is asked for: what administrators do has no application, no verdict and no flow. */
function sidesOf({ class: classUid, app, network, verdict, reason, flow }: FlowFilter): {
  readonly ofFlows: boolean;
  readonly ofAccess: boolean;
} {
  const isOfFlow = [app, network, verdict, reason, flow].some((value) => value !== undefined);
  if (classUid === undefined || inBoth.has(classUid)) return { ofFlows: true, ofAccess: !isOfFlow };
  return onlyInAccess.has(classUid) ? { ofFlows: false, ofAccess: true } : { ofFlows: true, ofAccess: false };
}

/** What comes from any, as it comes; each is waited for before it goes on. */
async function* merge(sources: readonly AsyncIterable<string>[]): AsyncIterable<string> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const next = async (iterator: AsyncIterator<string>) => ({ iterator, result: await iterator.next() });
  const pending = new Map(iterators.map((iterator) => [iterator, next(iterator)]));
  try {
    while (pending.size > 0) {
      const { iterator, result } = await Promise.race(pending.values());
      if (result.done === true) pending.delete(iterator);
      else {
        pending.set(iterator, next(iterator));
        yield result.value;
      }
    }
  } finally {
    for (const [iterator, waiting] of pending) {
      // Whoever follows has gone: what the others still say is for nobody.
      waiting.catch(() => undefined);
      iterator.return?.().catch(() => undefined);
    }
  }
}
