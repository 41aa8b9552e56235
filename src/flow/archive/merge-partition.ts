import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncDirectory } from '../../ledger/durable-file.ts';
import { formatFileName, parseFileName, validFiles } from './file-name.ts';
import type { ArchiveFile } from './file-name.ts';
import { openDatabase, quoteText } from './open-database.ts';
import { parquetOptions, parquetOrder } from './pending-records.ts';

export interface MergeParts {
  readonly directory: string;
  readonly stagingDirectory: string;
  readonly memoryMegabytes: number;
  /** Of the partition, within the directory. */
  readonly path: string;
}

/** No file grows beyond this by merging: it is sorted as a whole. */
const mostBytes = 64 * 1024 * 1024;

interface Found extends ArchiveFile {
  readonly name: string;
  readonly bytes: number;
}

/**
 * Merges the files of one partition into few, and removes those that others have taken the place of. It can be interrupted
 * at any moment: a merged file takes their place by having its name. @throws what file system and DuckDB throw
 */
export async function mergePartition(parts: MergeParts): Promise<void> {
  const folder = join(parts.directory, parts.path);
  const found = await listFound(folder);
  const valid = validFiles(found);
  const groups = [...Map.groupBy(valid, ({ writer }) => writer).values()].flatMap(splitBySize);
  const gone = found.filter((file) => !valid.includes(file));
  for (const group of groups) {
    if (group.length < 2) continue;
    await mergeGroup(parts, folder, group);
    gone.push(...group);
  }
  for (const { name } of gone) await rm(join(folder, name), { force: true });
}

async function listFound(folder: string): Promise<Found[]> {
  const found: Found[] = [];
  for (const name of await readdir(folder)) {
    const parsed = parseFileName(name);
    if (parsed !== undefined) found.push({ ...parsed, name, bytes: (await stat(join(folder, name))).size });
  }
  return found.sort((a, b) => a.from - b.from);
}

function splitBySize(files: readonly Found[]): Found[][] {
  const groups: Found[][] = [];
  let bytes = mostBytes;
  for (const file of files) {
    bytes += file.bytes;
    if (bytes > mostBytes) {
      groups.push([]);
      ({ bytes } = file);
    }
    groups.at(-1)?.push(file);
  }
  return groups;
}

async function mergeGroup(parts: MergeParts, folder: string, group: readonly Found[]): Promise<void> {
  const [first, last] = [group[0], group.at(-1)];
  if (first === undefined || last === undefined) return;
  const name = formatFileName({ writer: first.writer, from: first.from, to: last.to });
  const staged = join(parts.stagingDirectory, `merged.${name}`);
  const database = await openDatabase({
    directories: [folder, parts.stagingDirectory],
    temporary: parts.stagingDirectory,
    memoryMegabytes: parts.memoryMegabytes,
    threads: 1,
  });
  try {
    const files = group.map((file) => quoteText(join(folder, file.name)));
    await database.connection.run(
      `COPY (SELECT * FROM read_parquet([${files.join(', ')}], union_by_name = true) ${parquetOrder}) TO ${quoteText(staged)} (${parquetOptions})`,
    );
  } finally {
    database.close();
  }
  const handle = await open(staged, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(staged, join(folder, name));
  syncDirectory(folder);
}
