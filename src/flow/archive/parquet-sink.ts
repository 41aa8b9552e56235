import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { OutgoingRecord, Receipt, Sink } from '../sinks/sink.ts';
import type { ArchiveStore } from './archive-store.ts';
import { formatFileName } from './file-name.ts';
import { advanceStreams, chainBeginOf, chainPlaceOf, loadManifest, saveManifest } from './manifest.ts';
import type { Manifest, PendingFiles } from './manifest.ts';
import { openDatabase } from './open-database.ts';
import type { Database } from './open-database.ts';
import { partitionPath } from './partition.ts';
import { createPendingRecords } from './pending-records.ts';
import type { PendingRecords } from './pending-records.ts';

export interface ParquetSinkParts {
  readonly store: ArchiveStore;
  /** For files that are not whole yet; ours alone, made where it is not there. */
  readonly stagingDirectory: string;
  readonly manifestFile: string;
  /** Begins the names of files: tells servers apart for people. */
  readonly gateway: string;
  /** Records wait for others so long, and until there is so much of them as text. */
  readonly maxWaitMs: number;
  readonly maxBytes: number;
  readonly memoryMegabytes: number;
  readonly clock?: () => number;
}

/** Batches of which only the places are kept, so that how much waits is bounded by `maxBytes`. */
const maxUnacknowledged = 100_000;

interface Writer {
  readonly pending: PendingRecords;
  readonly database: Database;
}

/**
 * Writes records into Parquet files, each of one hour and one retention class. A batch is acknowledged when the files that
 * hold it are durable under their names. After a crash it comes again, and what is archived of it is left out: the manifest
 * names, before any file has its name, the files and how far each chain is with them.
 */
export async function createParquetSink(parts: ParquetSinkParts): Promise<Sink> {
  const { store, stagingDirectory, manifestFile, clock = Date.now } = parts;
  const writer = `${fileWord(parts.gateway)}-${randomBytes(6).toString('hex')}`;
  let manifest: Manifest = await loadManifest(manifestFile);
  mkdirSync(stagingDirectory, { recursive: true, mode: 0o700 });
  await removeForgotten(stagingDirectory, manifest.pending);
  let open: Promise<Writer> | undefined;
  let writing: PromiseWithResolvers<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  let flushing: Promise<void> | undefined;
  let number = 0;
  const streams = new Map<string, number>();
  /** Of those that nothing is archived of yet. */
  const begins = new Map<string, number>();

  /** Nothing is opened, and nobody pays with memory, before there is a record. */
  async function openWriter(): Promise<Writer> {
    const database = await openDatabase({
      directories: [stagingDirectory],
      temporary: stagingDirectory,
      memoryMegabytes: parts.memoryMegabytes,
      threads: 1,
    });
    return { pending: await createPendingRecords(database.connection), database };
  }

  /** Publishes what an earlier attempt left: until it is, nothing else is taken. */
  async function settle(): Promise<void> {
    const { pending } = manifest;
    if (pending === undefined) return;
    for (const file of pending.files) {
      const staged = join(stagingDirectory, file.staged);
      if (await isThere(staged)) await store.publish(file, staged);
    }
    const known = advanceStreams(manifest.streams, pending.streams);
    manifest = { ...manifest, streams: known, ...beginsOf(manifest.begins, known) };
    delete manifest.pending;
    store.published(pending.files);
  }

  async function stage(pending: PendingRecords): Promise<PendingFiles> {
    number += 1;
    const files: PendingFiles['files'] = [];
    try {
      for (const partition of await pending.partitions()) {
        const staged = `${writer}.${number}.${files.length}.parquet`;
        const name = `${partitionPath(partition)}/${formatFileName({ writer, from: number, to: number })}`;
        files.push({ staged, name });
        await pending.write(partition, join(stagingDirectory, staged));
        await sync(join(stagingDirectory, staged));
      }
      await sync(stagingDirectory);
    } catch (error) {
      // A disk that is full would be so for ever.
      for (const { staged } of files) await rm(join(stagingDirectory, staged), { force: true });
      throw error;
    }
    return { files, streams: Object.fromEntries(streams) };
  }

  async function writeAll({ pending }: Writer): Promise<void> {
    const files = await stage(pending);
    const begun = begins.size === 0 ? {} : { begins: { ...manifest.begins, ...Object.fromEntries(begins) } };
    const next = { ...manifest, ...begun, pending: files };
    saveManifest(manifestFile, next);
    manifest = next;
    await settle();
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    if (flushing !== undefined) return flushing;
    const waiting = writing;
    if (waiting === undefined || open === undefined) return Promise.resolve();
    writing = undefined;
    flushing = (async () => {
      const opened = await open;
      try {
        await writeAll(opened);
        waiting.resolve();
      } catch (error) {
        waiting.reject(error);
      }
      // What could not be written comes again; what was staged and not published, is published first.
      streams.clear();
      begins.clear();
      await opened.pending.clear();
    })().finally(() => (flushing = undefined));
    return flushing;
  }

  function flushSoon(): void {
    flush().catch(() => undefined);
  }

  async function take(batch: readonly OutgoingRecord[]): Promise<Receipt> {
    const fresh = batch.filter(({ record }) => isFresh(record));
    if (fresh.length === 0) return writing === undefined ? {} : { acknowledged: writing.promise };
    open ??= openWriter();
    const { pending } = await open;
    for (const { record, text } of fresh) {
      pending.add(record, text, clock());
      const place = chainPlaceOf(record);
      if (place === undefined) continue;
      const { stream, sequence } = place;
      const begin = chainBeginOf(record, place);
      if (begin > 1 && !streams.has(stream) && manifest.streams[stream] === undefined)
        begins.set(stream, begin);
      streams.set(stream, sequence);
    }
    if (writing === undefined) {
      writing = Promise.withResolvers<void>();
      // Whoever waits for it hears; that it failed is no error of nobody's.
      writing.promise.catch(() => undefined);
      timer = setTimeout(flushSoon, parts.maxWaitMs);
    }
    const { promise } = writing;
    if (pending.bytes >= parts.maxBytes) flushSoon();
    return { acknowledged: promise };
  }

  function isFresh(record: OutgoingRecord['record']): boolean {
    const place = chainPlaceOf(record);
    if (place === undefined) return true;
    const known = streams.get(place.stream) ?? manifest.streams[place.stream];
    return known === undefined || place.sequence > known;
  }

  return {
    maxUnacknowledged,
    async send(batch) {
      await flushing;
      await settle();
      return take(batch);
    },
    async close() {
      await flush().catch(() => undefined);
      await store.close();
      (await open?.catch(() => undefined))?.database.close();
      open = undefined;
    },
  };
}

/** Of chains that are still remembered. */
function beginsOf(begins: Manifest['begins'], streams: Manifest['streams']): Pick<Manifest, 'begins'> {
  const kept = Object.entries(begins ?? {}).filter(([stream]) => streams[stream] !== undefined);
  return kept.length === 0 ? {} : { begins: Object.fromEntries(kept) };
}

/** Letters that no file system, object store or shell minds. */
const fileWord = (name: string): string => name.replaceAll(/[^A-Za-z0-9]+/g, '-').slice(0, 64);

/** What a crash left that no manifest names: its records come again. */
async function removeForgotten(directory: string, pending: PendingFiles | undefined): Promise<void> {
  const named = new Set(pending?.files.map(({ staged }) => staged));
  for (const name of await readdir(directory))
    if (!named.has(name)) await rm(join(directory, name), { recursive: true, force: true });
}

const isThere = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );

async function sync(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
