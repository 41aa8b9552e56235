import { rowOf } from '../archive/columns.ts';
import { openDatabase } from '../archive/open-database.ts';
import type { Database } from '../archive/open-database.ts';
import { listArchiveFiles } from './archive-files.ts';
import { createCollector } from './collect-rows.ts';
import { createFlowMatch, isInPeriod } from './flow-query.ts';
import type { FlowAnswer, FlowQuery } from './flow-query.ts';
import { searchArchive } from './search-archive.ts';
import { searchBucket } from './search-bucket.ts';
import { unarchivedRecords, viewArchive } from './unarchived-records.ts';
import type { FlowPlaces } from './unarchived-records.ts';

export interface SearchLimits {
  readonly memoryMegabytes: number;
  readonly threads: number;
}

/** Searches the records of a server. */
export interface FlowSearch {
  /** @throws what file system and DuckDB throw */
  ask(query: FlowQuery): Promise<FlowAnswer>;
  close(): Promise<void>;
}

/** A file may be merged or removed between the look at its name and at what is in it. */
const attempts = 3;

export function createFlowSearch(places: FlowPlaces, limits: SearchLimits): FlowSearch {
  const { archive } = places;
  let database: Promise<Database> | undefined;

  async function askArchive(
    query: FlowQuery,
  ): Promise<{ answer?: FlowAnswer; streams: Record<string, number> }> {
    if (archive === undefined) return { streams: {} };
    for (let attempt = 1; ; attempt += 1) {
      const { files, streams } = await viewArchive(archive, () => listArchiveFiles(archive.directory, query));
      if (files.length === 0) return { streams };
      database ??= openDatabase({ ...limits, directories: [archive.directory] });
      try {
        return { answer: await searchArchive((await database).connection, files, query), streams };
      } catch (error) {
        if (attempt >= attempts || !/No files found|Cannot open file|No such file/.test(String(error)))
          throw error;
      }
    }
  }

  async function askBucket(query: FlowQuery, from: string): Promise<FlowAnswer> {
    const place = places.buckets?.[from];
    if (place === undefined) throw new TypeError(`no bucket ${from}`);
    return searchBucket(place, limits, query);
  }

  return {
    async ask(query) {
      if (query.from !== undefined) return askBucket(query, query.from);
      const collector = createCollector(query);
      const matches = createFlowMatch(query.filter);
      const { answer, streams } = await askArchive(query);
      if (answer !== undefined) collector.addAnswer(answer);
      for await (const { record, text } of unarchivedRecords(places, streams, query)) {
        const row = rowOf(record);
        if (isInPeriod(row, query) && matches(row)) collector.add(row, text);
      }
      return collector.answer();
    },
    async close() {
      (await database?.catch(() => undefined))?.close();
    },
  };
}
