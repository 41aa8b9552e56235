import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { ArchiveSinkSettings } from '../../../src/contract/sinks.ts';
import { flowPlacesOf } from '../../../src/flow/search/flow-places.ts';
import type { FlowQuery } from '../../../src/flow/search/flow-query.ts';
import { createFlowSearch } from '../../../src/flow/search/search-flows.ts';
import type { FlowSearch } from '../../../src/flow/search/search-flows.ts';
import { makeDirectory } from '../shipper/shipping.ts';

export const archiveSink: ArchiveSinkSettings = {
  name: 'search',
  type: 'archive',
  from: 'beginning',
  format: 'ocsf',
  // Sooner than settings may say it: nobody waits in a test.
  flushSeconds: 0.05,
};

/** A data directory with the folders that a server makes. */
export function makeData(): { data: string; flows: string; sinks: string; archive: string } {
  const data = makeDirectory();
  const [flows, sinks, archive] = ['flows', 'sinks', 'archive'].map((name) => join(data, name)) as [
    string,
    string,
    string,
  ];
  for (const directory of [flows, sinks, archive]) mkdirSync(directory);
  return { data, flows, sinks, archive };
}

/** In this process. */
export function openSearch(data: string, sinks: readonly ArchiveSinkSettings[] = [archiveSink]): FlowSearch {
  const search = createFlowSearch(
    flowPlacesOf(
      data,
      sinks.map((settings) => ({ settings })),
    ),
    { memoryMegabytes: 256, threads: 1 },
  );
  onTestFinished(() => search.close());
  return search;
}

export const everything = { filter: {}, since: 0, until: 8_640_000_000_000_000 } as const;
export const rows = (more: Partial<FlowQuery> = {}): FlowQuery =>
  ({ kind: 'rows', whole: false, limit: 1000, ...everything, ...more }) as FlowQuery;
export const counts = (
  by: (FlowQuery & { kind: 'counts' })['by'],
  more: Partial<FlowQuery> = {},
): FlowQuery => ({ kind: 'counts', by, limit: 1000, ...everything, ...more }) as FlowQuery;
