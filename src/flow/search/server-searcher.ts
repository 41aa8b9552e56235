import { dataDirectory } from '../../contract/data-directory.ts';
import { accessPlacesOf, flowPlacesOf, searchLimits, searchTimeoutMs } from './flow-places.ts';
import { joinSearchers } from './joined-searcher.ts';
import { createSearcher } from './searcher.ts';
import type { Searcher } from './searcher.ts';
import type { ResolvedSink } from '../sinks/resolved-sink.ts';

export interface ServerSearcherOptions {
  /** The data directory. */
  readonly data: string;
  /** Those that a search has to do with. */
  readonly sinks: readonly ResolvedSink[];
  /** Whether what workers record is another user's, who may not read the access log. */
  readonly isApart: boolean;
  /** That user, where this process may become it. */
  readonly runAs?: { readonly uid: number; readonly gid: number };
}

/**
 * Searches all that a server records. What workers wrote is read with the rights of their user; the access log, where that one
 * may not, by a process with ours, which reads nothing else.
 */
export function createServerSearcher({ data, sinks, isApart, runAs }: ServerSearcherOptions): Searcher {
  const common = { limits: searchLimits, timeoutMs: searchTimeoutMs };
  // Of what the access log alone goes to, the workers' user hears no secret; and what lies there is not opened with our rights.
  const asked = isApart ? sinks.filter(({ settings }) => settings.records !== 'access') : sinks;
  const flows = createSearcher({
    ...common,
    places: flowPlacesOf(data, asked, {
      isApart,
      // Where the workers' user can write, we do not: it could lead us elsewhere.
      ...(isApart && runAs === undefined ? { fetchedIn: dataDirectory.accessSinks } : {}),
    }),
    ...(runAs === undefined ? {} : { runAs }),
  });
  return isApart ? joinSearchers(flows, createSearcher({ ...common, places: accessPlacesOf(data) })) : flows;
}
