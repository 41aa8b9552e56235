import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { FlowStream } from '../spool/chain.ts';
import { streamName } from '../spool/segment-names.ts';
import { parseKeptName } from './kept-file.ts';

export interface ListedKept {
  readonly name: string;
  readonly stream: FlowStream;
  readonly segment: number;
}

/** The files of kept records by their chain, in its order; none where the directory is not there. @throws what the file system throws */
export async function listKept(directory: string): Promise<ReadonlyMap<string, readonly ListedKept[]>> {
  const names = existsSync(directory) ? (await readdir(directory)).toSorted() : [];
  const files = names.flatMap((name) => {
    const parsed = parseKeptName(name);
    return parsed === undefined ? [] : [{ name, ...parsed }];
  });
  return Map.groupBy(files, ({ stream }) => streamName(stream));
}
