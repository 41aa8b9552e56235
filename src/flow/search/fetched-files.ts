import { hash } from 'node:crypto';
import { readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import type { BucketObject, S3Bucket } from '../archive/s3-bucket.ts';

/** Objects as files of this machine, for as long as there is room: an object never changes, so that a file once fetched is right. */
export interface Fetched {
  /** Absolute paths, in the same order. @throws Error with a sentence */
  files(objects: readonly BucketObject[]): Promise<string[]>;
}

/** Of all that is kept for the next question. */
const mostBytes = 2 * 1024 * 1024 * 1024;
const fetchedAtOnce = 8;
/** What was used so lately may be in use. */
const inUseMs = 120_000;

export function createFetched(directory: string, bucket: S3Bucket, maxBytes = mostBytes): Fetched {
  const pathOf = ({ name, bytes }: BucketObject): string =>
    join(directory, `${hash('sha256', JSON.stringify([name, bytes]), 'hex')}.parquet`);

  async function fetchOne(object: BucketObject): Promise<string> {
    const path = pathOf(object);
    try {
      await utimes(path, new Date(), new Date());
      return path;
    } catch {
      // Not there.
    }
    const part = `${path}.${process.pid}.part`;
    try {
      await rm(part, { force: true });
      await bucket.get(object.name, part);
      await rename(part, path);
    } catch (error) {
      await rm(part, { force: true });
      throw error;
    }
    return path;
  }

  /** The ones that were not asked for longest go first. */
  async function makeRoom(): Promise<void> {
    const found: { readonly path: string; readonly bytes: number; readonly usedAt: number }[] = [];
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      const known = await stat(path).catch(() => undefined);
      if (known !== undefined) found.push({ path, bytes: known.size, usedAt: known.mtimeMs });
    }
    let bytes = found.reduce((total, file) => total + file.bytes, 0);
    for (const file of found.sort((a, b) => a.usedAt - b.usedAt)) {
      if (bytes <= maxBytes || file.usedAt > Date.now() - inUseMs) return;
      await rm(file.path, { force: true });
      bytes -= file.bytes;
    }
  }

  return {
    async files(objects) {
      await makeRoom();
      const paths: string[] = [];
      for (let at = 0; at < objects.length; at += fetchedAtOnce)
        paths.push(...(await Promise.all(objects.slice(at, at + fetchedAtOnce).map(fetchOne))));
      return paths;
    },
  };
}

/** Removes what nobody asked for since a time (epoch milliseconds): it may be of records whose time is over. */
export async function forgetFetched(directory: string, before: number): Promise<void> {
  for (const name of await readdir(directory).catch(() => [])) {
    const path = join(directory, name);
    const known = await stat(path).catch(() => undefined);
    if (known !== undefined && known.mtimeMs < before) await rm(path, { force: true });
  }
}
