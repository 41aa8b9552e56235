import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { FlowView } from '../../contract/flow-search.ts';
import { rowOf } from '../archive/columns.ts';
import { tailFlows } from '../read/tail-flows.ts';
import { createFlowMatch } from './flow-query.ts';
import type { FlowFilter } from './flow-query.ts';
import { readable } from './unarchived-records.ts';
import type { FlowPlaces } from './unarchived-records.ts';

/**
 * Writes the records that fit a filter, as they are recorded from now on, as lines of JSON. A reader that is slow is waited for:
 * what it has not taken stays in the spool. @throws what the file system throws
 */
export async function followFlows(
  { recordDirectories }: FlowPlaces,
  filter: FlowFilter,
  out: Writable,
  signal: AbortSignal,
): Promise<void> {
  const matches = createFlowMatch(filter);
  const follow = async (directory: string): Promise<void> => {
    for await (const record of tailFlows(directory, { signal })) {
      const row = rowOf(record);
      if (!matches(row)) continue;
      const view: FlowView = {
        ...row,
        reasons: [...row.reasons],
        policies: [...row.policies],
        record: JSON.stringify(record),
      };
      if (!out.write(`${JSON.stringify(view)}\n`)) await once(out, 'drain', { signal });
    }
  };
  await Promise.all((await readable(recordDirectories)).map(follow));
}
