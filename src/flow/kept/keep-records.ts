import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFileByPieces } from '../../ledger/durable-file.ts';
import type { FlowStream } from '../spool/chain.ts';
import type { StoredRecord } from '../frames/record-reader.ts';
import { readRecords } from '../read/read-records.ts';
import { retentionClassOf } from '../retention.ts';
import type { KeptFiles } from '../spool/retired.ts';
import { streamName } from '../spool/segment-names.ts';
import { memberOf } from '../shipper/spool-item.ts';
import { keptName, noFileBefore } from './kept-file.ts';
import type { KeptHeader } from './kept-file.ts';

/**
 * Puts aside those records of segments which have to live longer than what was let through: sign-ins, refusals, findings.
 * Nothing vouches for them yet; the same segments may be put aside again. @returns the files that the chain has now, as
 * they are to be signed. @throws what the file system throws; Error where a segment changes while it is read
 */
export async function keepRecords(
  directories: { readonly from: string; readonly to: string },
  stream: FlowStream,
  segments: readonly { readonly name: string; readonly segment: number }[],
  before: KeptFiles | undefined,
): Promise<KeptFiles | undefined> {
  mkdirSync(directories.to, { recursive: true, mode: 0o700 });
  let kept = before;
  for (const { name, segment } of segments) {
    const path = join(directories.from, name);
    const found = await countKept(path);
    if (found.records === 0) continue;
    const previous = kept?.hash ?? noFileBefore;
    const header: KeptHeader = { kept: 1, stream: streamName(stream), segment, ...found, previous };
    const hash = await writeHashed(join(directories.to, keptName(stream, segment)), linesOf(path, header));
    kept = {
      oldest: kept?.oldest ?? segment,
      previous: kept?.previous ?? noFileBefore,
      newest: segment,
      hash,
    };
  }
  return kept;
}

/** @returns the SHA-256 of what was written */
async function writeHashed(path: string, lines: AsyncIterable<string>): Promise<string> {
  const hash = createHash('sha256');
  async function* hashed(): AsyncIterable<string> {
    for await (const line of lines) {
      hash.update(line);
      yield line;
    }
  }
  await replaceFileByPieces(path, hashed());
  return hash.digest('hex');
}

/** Read twice rather than held: in a bad hour, all of a segment is refusals. */
async function countKept(path: string): Promise<Pick<KeptHeader, 'records' | 'lastAt'>> {
  let records = 0;
  let lastAt = 0;
  for await (const { record } of keptOf(path)) {
    records += 1;
    const loggedAt = memberOf(record, 'metadata', 'logged_time');
    lastAt = typeof loggedAt === 'number' ? Math.max(lastAt, loggedAt) : lastAt;
  }
  return { records, lastAt };
}

async function* linesOf(path: string, header: KeptHeader): AsyncIterable<string> {
  yield `${JSON.stringify(header)}\n`;
  let records = 0;
  for await (const { text } of keptOf(path)) {
    records += 1;
    yield `${text}\n`;
  }
  // The directory is the workers'.
  if (records !== header.records) throw new Error(`${path} changed while it was read`);
}

async function* keptOf(path: string): AsyncIterable<StoredRecord> {
  for await (const stored of readRecords(path))
    if (stored !== 'unreadable' && retentionClassOf(stored.record) !== 'flows') yield stored;
}
