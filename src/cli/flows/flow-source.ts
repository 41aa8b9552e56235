import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { SearchFlowsResponse, SummarizeFlowsResponse } from '../../contract/flow-search.ts';
import type { FlowCount, FlowView, SummaryColumn } from '../../contract/flow-search.ts';
import type { SinkSettings } from '../../contract/sinks.ts';
import { dataDirectory } from '../../contract/data-directory.ts';
import { searchedSinks } from '../../flow/search/flow-places.ts';
import type { FlowAnswer, FlowFilter, FlowPlace, FlowQuery } from '../../flow/search/flow-query.ts';
import { createServerSearcher } from '../../flow/search/server-searcher.ts';
import { resolveSinks, SinkFilesError } from '../../flow/sinks/resolve-sinks.ts';
import type { ResolvedSink } from '../../flow/sinks/resolved-sink.ts';
import { connectApi } from '../api-client.ts';
import type { ConnectionOptions } from '../api-client.ts';
import { CliError, exitCodes } from '../cli-error.ts';
import { readSettings } from '../read-settings.ts';

export interface FlowQuestion {
  /** Name of a sink of type `s3`. */
  readonly from?: string;
  readonly filter: FlowFilter;
  readonly since: number;
  readonly until: number;
}

/** Whom a command asks for records: a server, which records that it was asked; or the files of one on this machine. */
export interface FlowSource {
  /** Newest first. @throws CliError */
  rows(question: FlowQuestion, limit: number, whole: boolean): Promise<FlowView[]>;
  counts(question: FlowQuestion, by: readonly SummaryColumn[], limit: number): Promise<FlowCount[]>;
  close(): void;
}

const pageSize = 1000;
/** A server counts no more combinations at once; the same of files, so that both say the same. */
export const mostCounts = pageSize;

export async function openFlowSource(
  options: ConnectionOptions & { readonly data?: string; readonly from?: string },
): Promise<FlowSource> {
  return options.data === undefined ? fromServer(options) : fromFiles(resolve(options.data), options.from);
}

async function fromServer(options: ConnectionOptions): Promise<FlowSource> {
  const api = await connectApi(options);
  const asked = ({ filter, since, until, from }: FlowQuestion, limit: number): URLSearchParams =>
    new URLSearchParams({
      ...(from === undefined ? {} : { from }),
      ...Object.fromEntries(Object.entries(filter).map(([name, value]) => [name, String(value)])),
      since: String(since),
      until: String(until),
      limit: String(limit),
    });
  return {
    async rows(question, limit, whole) {
      const rows: FlowView[] = [];
      let cursor: string | undefined;
      do {
        const query = asked(question, Math.min(pageSize, limit - rows.length));
        if (whole) query.set('whole', 'true');
        if (cursor !== undefined) query.set('cursor', cursor);
        const page = await api.call('GET', `/v1/flows?${query.toString()}`, SearchFlowsResponse);
        rows.push(...page.flows);
        cursor = page.next;
      } while (cursor !== undefined && rows.length < limit);
      return rows;
    },
    async counts(question, by, limit) {
      const query = asked(question, Math.min(mostCounts, limit));
      query.set('by', by.join(','));
      const { counts } = await api.call(
        'GET',
        `/v1/flows/summary?${query.toString()}`,
        SummarizeFlowsResponse,
      );
      return counts;
    },
    close: () => undefined,
  };
}

function fromFiles(data: string, from: string | undefined): FlowSource {
  if (!existsSync(join(data, dataDirectory.flows)))
    throw new CliError(exitCodes.invalid, `there are no flow records in ${data}`);
  const settingsFile = join(data, dataDirectory.settings);
  const settings = existsSync(settingsFile) ? readSettings(settingsFile) : undefined;
  const searcher = createServerSearcher({
    data,
    sinks: resolveForSearch(searchedSinks(settings?.sinks), data, from),
    isApart: settings?.runAs !== undefined,
  });
  if (from !== undefined && !searcher.buckets.includes(from)) {
    searcher.close();
    throw new CliError(
      exitCodes.invalid,
      `sink ${from} has the access log alone, which is searched where it is recorded: leave --from out`,
    );
  }
  const ask = async (query: FlowQuery): Promise<FlowAnswer> => {
    try {
      return await searcher.ask(query);
    } catch (error) {
      throw new CliError(
        exitCodes.invalid,
        `flow records in ${data} cannot be searched: ${(error as Error).message}`,
      );
    }
  };
  return {
    async rows(question, limit, whole) {
      const rows: FlowView[] = [];
      let after: FlowPlace | undefined;
      for (;;) {
        const asked = Math.min(pageSize, limit - rows.length);
        const page = await ask({
          kind: 'rows',
          ...question,
          limit: asked,
          whole,
          ...(after === undefined ? {} : { after }),
        });
        const found = page.kind === 'rows' ? page.rows : [];
        rows.push(...found);
        const last = found.at(-1);
        if (last === undefined || found.length < asked || rows.length >= limit) return rows;
        after = { time: last.time ?? 0, uid: last.uid ?? '' };
      }
    },
    async counts(question, by, limit) {
      const answer = await ask({ kind: 'counts', ...question, by, limit: Math.min(mostCounts, limit) });
      return answer.kind === 'counts' ? [...answer.counts] : [];
    },
    close: () => searcher.close(),
  };
}

/** The secrets of object storage are read only where it is asked. @throws CliError */
function resolveForSearch(
  sinks: readonly SinkSettings[],
  data: string,
  from: string | undefined,
): ResolvedSink[] {
  const named = sinks.filter(({ name, type }) => type === 'archive' || name === from);
  if (from !== undefined && !named.some(({ type }) => type === 's3'))
    throw new CliError(exitCodes.invalid, `there is no sink ${from} of type s3 in the settings`);
  try {
    return resolveSinks(named, data);
  } catch (error) {
    if (!(error instanceof SinkFilesError)) throw error;
    throw new CliError(exitCodes.invalid, 'object storage cannot be asked', error.problems);
  }
}
