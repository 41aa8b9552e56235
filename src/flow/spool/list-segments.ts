import { readdir } from 'node:fs/promises';
import { parseSegmentName } from './segment-names.ts';

/**
 * Names of the segments in a directory, sorted. The directory is the workers': a link, a pipe or a folder under such a name is
 * none of ours, and must keep nobody from reading the rest. `verifyFlows` names it.
 * @throws what the file system throws
 */
export async function listSegments(directory: string): Promise<string[]> {
  const entries = await readdir(directory, { withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && parseSegmentName(entry.name) !== undefined)
    .map(({ name }) => name)
    .toSorted();
}
