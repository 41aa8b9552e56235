import { join } from 'node:path';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { SinkSettings } from '../../contract/sinks.ts';
import type { ResolvedSink } from '../sinks/resolved-sink.ts';
import type { BucketPlace, FlowPlaces } from './unarchived-records.ts';

/** Those of the settings that a search has to do with. */
export const searchedSinks = (sinks: readonly SinkSettings[] = []): SinkSettings[] =>
  sinks.filter(({ type }) => type === 'archive' || type === 's3');

/** Where the access log of a data directory is, for whoever searches it apart. */
export const accessPlacesOf = (data: string): FlowPlaces => ({
  recordDirectories: [join(data, dataDirectory.accessLog)],
});

export interface FlowPlacesOptions {
  /** Without the access log. */
  readonly isApart?: boolean;
  /** Folder of the data directory in which what a search fetches lies. */
  readonly fetchedIn?: string;
}

/** Where the records of a data directory are, by the sinks in its settings. */
export function flowPlacesOf(
  data: string,
  sinks: readonly ResolvedSink[] = [],
  { isApart = false, fetchedIn = dataDirectory.sinks }: FlowPlacesOptions = {},
): FlowPlaces {
  const archive = sinks.find(({ settings }) => settings.type === 'archive')?.settings;
  const recorded = {
    recordDirectories: [
      join(data, dataDirectory.flows),
      ...(isApart ? [] : [join(data, dataDirectory.accessLog)]),
    ],
    keptDirectory: join(data, dataDirectory.keptRecords),
  };
  const buckets = Object.fromEntries(sinks.flatMap((sink) => bucketOf(join(data, fetchedIn), sink)));
  const elsewhere = Object.keys(buckets).length === 0 ? {} : { buckets };
  if (archive === undefined) return { ...recorded, ...elsewhere };
  const directory = join(data, dataDirectory.archive);
  return {
    ...recorded,
    ...elsewhere,
    archive: {
      directory,
      stagingDirectory: join(directory, 'staging'),
      manifestFile: join(data, dataDirectory.sinks, `${archive.name}.archived`),
      cursorFile: join(data, dataDirectory.sinks, `${archive.name}.cursor`),
    },
  };
}

function bucketOf(folder: string, { settings, secret, tls }: ResolvedSink): [string, BucketPlace][] {
  if (settings.type !== 's3' || secret === undefined) return [];
  const cacheDirectory = join(folder, `${settings.name}.fetched`);
  return [[settings.name, { settings, secret, ...(tls === undefined ? {} : { tls }), cacheDirectory }]];
}

/** What one search may take. */
export const searchLimits = { memoryMegabytes: 512, threads: 2 } as const;
export const searchTimeoutMs = 30_000;
