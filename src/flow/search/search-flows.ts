import { rowOf } from '../archive/columns.ts';
import { openDatabase } from '../archive/open-database.ts';
import type { Database } from '../archive/open-database.ts';
import { listArchiveFiles } from './archive-files.ts';
import { askByHours } from './by-hours.ts';
import { createCollector } from './collect-rows.ts';
import { createFlowMatch, isAskedFor } from './flow-query.ts';
import type { FlowAnswer, FlowQuery } from './flow-query.ts';
import { searchArchive } from './search-archive.ts';
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
const isMissing = /No files found|Cannot open file|No such file/;

export function createFlowSearch(places: FlowPlaces, limits: SearchLimits): FlowSearch {
  const { archive } = places;
  let database: Promise<Database> | undefined;

  async function askHere(query: FlowQuery): Promise<FlowAnswer> {
    const collector = createCollector(query);
    const matches = createFlowMatch(query.filter);
    const { files, archived } =
      archive === undefined
        ? { files: [], archived: { streams: {} } }
        : await viewArchive(archive, () => listArchiveFiles(archive.directory, query));
    for await (const { record, text } of unarchivedRecords(places, archived, query)) {
      const row = rowOf(record);
      if (isAskedFor(row, query) && matches(row)) collector.add(row, text);
    }
    await askByHours(files, query, collector, async (batch) => {
      database ??= openDatabase({ ...limits, directories: archive === undefined ? [] : [archive.directory] });
      const { connection } = await database;
      const paths = batch.map(({ path }) => path);
      collector.addAnswer(await searchArchive(connection, paths, query));
    });
    return collector.answer();
  }

  async function askBucket(query: FlowQuery, from: string): Promise<FlowAnswer> {
    const place = places.buckets?.[from];
    if (place === undefined) throw new TypeError(`no bucket ${from}`);
    // The client library of a receiver is an eighth of what starting this process takes, and mostly nobody asks a bucket.
    const { searchBucket } = await import('./search-bucket.ts');
    return searchBucket(place, limits, query);
  }

  return {
    async ask(query) {
      if (query.from !== undefined) return askBucket(query, query.from);
      for (let attempt = 1; ; attempt += 1) {
        try {
          return await askHere(query);
        } catch (error) {
          if (attempt >= attempts || !isMissing.test(String(error))) throw error;
        }
      }
    },
    async close() {
      (await database?.catch(() => undefined))?.close();
    },
  };
}
