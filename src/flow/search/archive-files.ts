import { join } from 'node:path';
import { parseFileName, validFiles } from '../archive/file-name.ts';
import { listNames } from '../archive/list-names.ts';
import { hourMs, parsePartitionPath, partitionPath } from '../archive/partition.ts';
import type { Partition } from '../archive/partition.ts';
import { retentionClasses } from '../retention.ts';
import type { RetentionClass } from '../retention.ts';
import { flowClassNames } from '../../contract/flow-search.ts';
import type { FlowQuery } from './flow-query.ts';

/** Which retention classes can hold what is asked for. */
export function classesOf({ filter }: Pick<FlowQuery, 'filter'>): readonly RetentionClass[] {
  if (filter.class === flowClassNames.access) return ['administration'];
  if (filter.class === flowClassNames['sign-in'] || filter.class === flowClassNames.finding)
    return ['security'];
  if (filter.verdict === 'denied') return ['security'];
  if (filter.class === flowClassNames.request && filter.verdict === 'allowed') return ['flows'];
  return retentionClasses;
}

/** Whether the hour of a partition has something of the period. */
export const overlaps = (hour: number, { since, until }: Pick<FlowQuery, 'since' | 'until'>): boolean =>
  hour < until && hour + hourMs > since;

export interface ListedFile {
  /** Absolute. */
  readonly path: string;
  readonly hour: number;
}

/** The files of a local archive that can hold what is asked for. None where there is no archive. */
export async function listArchiveFiles(directory: string, query: FlowQuery): Promise<ListedFile[]> {
  const partitions: Partition[] = [];
  for (const keep of classesOf(query))
    for (const date of await listNames(join(directory, `keep=${keep}`)))
      for (const hour of await listNames(join(directory, `keep=${keep}`, date))) {
        const partition = parsePartitionPath(`keep=${keep}/${date}/${hour}`);
        if (partition !== undefined && overlaps(partition.hour, query)) partitions.push(partition);
      }
  const files: ListedFile[] = [];
  for (const partition of partitions) {
    const folder = join(directory, partitionPath(partition));
    const found = (await listNames(folder)).flatMap((name) => {
      const parsed = parseFileName(name);
      return parsed === undefined ? [] : [{ ...parsed, name }];
    });
    for (const { name } of validFiles(found)) files.push({ path: join(folder, name), hour: partition.hour });
  }
  return files;
}
