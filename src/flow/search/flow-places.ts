import { join } from 'node:path';
import { dataDirectory } from '../../contract/data-directory.ts';
import type { SinkSettings } from '../../contract/sinks.ts';
import type { FlowPlaces } from './unarchived-records.ts';

/** Where the records of a data directory are, by the sinks in its settings. */
export function flowPlacesOf(data: string, sinks: readonly SinkSettings[] = []): FlowPlaces {
  const archive = sinks.find(({ type }) => type === 'archive');
  const recorded = {
    recordDirectories: [join(data, dataDirectory.flows), join(data, dataDirectory.accessLog)],
    keptDirectory: join(data, dataDirectory.keptRecords),
  };
  if (archive === undefined) return recorded;
  const directory = join(data, dataDirectory.archive);
  return {
    ...recorded,
    archive: {
      directory,
      stagingDirectory: join(directory, 'staging'),
      manifestFile: join(data, dataDirectory.sinks, `${archive.name}.archived`),
      cursorFile: join(data, dataDirectory.sinks, `${archive.name}.cursor`),
    },
  };
}

/** What one search may take. */
export const searchLimits = { memoryMegabytes: 512, threads: 2 } as const;
export const searchTimeoutMs = 30_000;
