import { access, constants, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import {
  chainNameOf,
  chainPlaceOf,
  isArchived,
  loadManifest,
  mayLackBeginning,
} from '../archive/manifest.ts';
import type { Archived, Manifest } from '../archive/manifest.ts';
import { readKept } from '../kept/read-kept.ts';
import type { S3BucketParts } from '../archive/s3-bucket.ts';
import { openCursorFile } from '../shipper/cursor-file.ts';
import { readPeriod } from '../shipper/read-period.ts';
import type { FlowRecord, SpoolItem } from '../shipper/spool-item.ts';
import { createSpoolListing } from '../shipper/spool-listing.ts';
import { createSpoolReader } from '../shipper/spool-reader.ts';

/** Where the records of a server are, all in its data directory. */
export interface FlowPlaces {
  /** Of chains; those that are not there, or may not be read, are passed over. */
  readonly recordDirectories: readonly string[];
  /** Of what is kept longer than the rest of its chain; absent where nothing is. */
  readonly keptDirectory?: string;
  /** Absent where the settings have no archive: then the spool is all there is. */
  readonly archive?: {
    readonly directory: string;
    readonly stagingDirectory: string;
    readonly manifestFile: string;
    readonly cursorFile: string;
  };
  /** Object storage that the settings have a sink for, by the sink's name. Holds secrets: never log it. */
  readonly buckets?: Readonly<Record<string, BucketPlace>>;
}

export interface BucketPlace extends S3BucketParts {
  /** For objects that were fetched; ours alone, made where it is not there. */
  readonly cacheDirectory: string;
}

/** What of each chain is archived, and what was decided on at the same moment by somebody who lists the files. */
export interface ArchiveView<Files> {
  readonly files: Files;
  readonly archived: Archived;
}

const settleMs = 25;
const attempts = 40;

/**
 * Lists files at a moment at which they are what the manifest says: one record more, and it would be found twice; one less,
 * and not at all. Where such a moment does not come, since files cannot get their names, those of the manifest before count.
 */
export async function viewArchive<Files>(
  archive: NonNullable<FlowPlaces['archive']>,
  listFiles: () => Promise<Files>,
): Promise<ArchiveView<Files>> {
  for (let attempt = 1; ; attempt += 1) {
    const before = await loadManifest(archive.manifestFile);
    const isPublished = await arePublished(archive.stagingDirectory, before);
    const files = await listFiles();
    const after = await loadManifest(archive.manifestFile);
    const isStill = JSON.stringify(before) === JSON.stringify(after);
    if (isStill && isPublished)
      return { files, archived: { ...before, streams: { ...before.streams, ...before.pending?.streams } } };
    if (isStill && attempt >= attempts) return { files, archived: before };
    await pause(settleMs);
  }
}

async function arePublished(directory: string, { pending }: Manifest): Promise<boolean> {
  for (const { staged } of pending?.files ?? [])
    if (
      await stat(join(directory, staged)).then(
        () => true,
        () => false,
      )
    )
      return false;
  return true;
}

export interface FoundRecord {
  readonly record: FlowRecord;
  readonly text: string;
}

const limits = { records: 1000, bytes: 1024 * 1024 };

/** What is recorded and not archived, each chain in its order. @throws what the file system throws */
export async function* unarchivedRecords(
  places: FlowPlaces,
  archived: Archived,
  period: { readonly since: number; readonly until: number },
): AsyncIterable<FoundRecord> {
  for await (const item of recordedItems(places, archived, period))
    if (item.kind === 'record' && !isArchived(archived, chainPlaceOf(item.record)))
      yield { record: item.record, text: item.text };
}

async function* recordedItems(
  { recordDirectories, keptDirectory, archive }: FlowPlaces,
  archived: Archived,
  period: { readonly since: number; readonly until: number },
): AsyncIterable<SpoolItem> {
  // What an archive that began later does not have: its files are older than the spool.
  for (const kept of await readable(keptDirectory === undefined ? [] : [keptDirectory]))
    yield* readKept(kept, period, (stream) => mayLackBeginning(archived, chainNameOf(stream)));
  const directories = await readable(recordDirectories);
  const positions = archive === undefined ? undefined : await openCursorFile(archive.cursorFile).load();
  if (positions === undefined || positions === 'unusable') {
    yield* readPeriod(directories, period);
    return;
  }
  const reader = createSpoolReader({ listing: createSpoolListing(directories), bootId: '' });
  reader.reset(positions);
  for (;;) {
    const reading = await reader.read(limits);
    if (reading === undefined) return;
    yield* reading.items;
  }
}

/** Those of directories that are there and may be read. */
export async function readable(directories: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const directory of directories)
    if (
      await access(directory, constants.R_OK).then(
        () => true,
        () => false,
      )
    )
      found.push(directory);
  return found;
}
