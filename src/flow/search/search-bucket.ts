import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path/posix';
import { basename } from 'node:path';
import { parseFileName, validFiles } from '../archive/file-name.ts';
import { openDatabase } from '../archive/open-database.ts';
import { parsePartitionPath } from '../archive/partition.ts';
import { openS3Bucket } from '../archive/s3-bucket.ts';
import type { BucketObject, S3Bucket } from '../archive/s3-bucket.ts';
import { classesOf, overlaps } from './archive-files.ts';
import { askByHours } from './by-hours.ts';
import { createCollector } from './collect-rows.ts';
import { createFetched } from './fetched-files.ts';
import type { FlowAnswer, FlowQuery } from './flow-query.ts';
import { searchArchive } from './search-archive.ts';
import type { SearchLimits } from './search-flows.ts';
import type { BucketPlace } from './unarchived-records.ts';

const dayMs = 86_400_000;

/**
 * Asks the objects in a bucket: DuckDB has no way to the network here, so that those of the hours and retention classes in question
 * are fetched, and kept for the next question. @throws Error with a sentence for what the storage says
 */
export async function searchBucket(
  place: BucketPlace,
  limits: SearchLimits,
  query: FlowQuery,
): Promise<FlowAnswer> {
  mkdirSync(place.cacheDirectory, { recursive: true, mode: 0o700 });
  const bucket = openS3Bucket(place);
  const fetched = createFetched(place.cacheDirectory, bucket);
  const database = await openDatabase({ ...limits, directories: [place.cacheDirectory] });
  try {
    const collector = createCollector(query);
    // One after the other: what was fetched for one batch may go for the next.
    await askByHours(await listObjects(bucket, query), query, collector, async (batch) =>
      collector.addAnswer(await searchArchive(database.connection, await fetched.files(batch), query)),
    );
    return collector.answer();
  } finally {
    database.close();
    bucket.close();
  }
}

interface ObjectOfHour extends BucketObject {
  readonly hour: number;
}

/** The objects that can hold what is asked for, listed by day. */
async function listObjects(bucket: S3Bucket, query: FlowQuery): Promise<ObjectOfHour[]> {
  const found: ObjectOfHour[] = [];
  for (const keep of classesOf(query))
    for (const prefix of prefixesOf(`keep=${keep}/`, query))
      for await (const object of bucket.list(prefix)) {
        const partition = dirname(object.name);
        const parsed = parsePartitionPath(partition);
        if (parsed !== undefined && overlaps(parsed.hour, query))
          found.push({ ...object, hour: parsed.hour });
      }
  return [...Map.groupBy(found, ({ name }) => dirname(name)).values()].flatMap((objects) =>
    validFiles(
      objects.flatMap((object) => {
        const file = parseFileName(basename(object.name));
        return file === undefined ? [] : [{ ...object, ...file }];
      }),
    ),
  );
}

/** Days that are asked for one by one; more are listed as one, since each is a question. */
const mostDays = 62;

function prefixesOf(keep: string, { since, until }: FlowQuery): string[] {
  const first = Math.floor(since / dayMs);
  const days = Math.ceil(until / dayMs) - first;
  if (days > mostDays) return [keep];
  return Array.from(
    { length: days },
    (_, day) => `${keep}date=${new Date((first + day) * dayMs).toISOString().slice(0, 10)}/`,
  );
}
