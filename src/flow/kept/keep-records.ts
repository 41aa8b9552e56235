import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../../ledger/durable-file.ts';
import type { FlowStream } from '../chain.ts';
import { readRecords } from '../read-records.ts';
import { retentionClassOf } from '../retention.ts';
import type { KeptFiles } from '../retired.ts';
import { streamName } from '../segment-names.ts';
import { memberOf } from '../shipper/spool-item.ts';
import { keptHash, keptName, noFileBefore } from './kept-file.ts';

/**
 * Puts aside those records of segments which have to live longer than what was let through: sign-ins, refusals, findings.
 * Nothing vouches for them yet; the same segments may be put aside again. @returns the files that the chain has now, as
 * they are to be signed. @throws what the file system throws
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
    const previous = kept?.hash ?? noFileBefore;
    const bytes = await keptOf(join(directories.from, name), stream, segment, previous);
    if (bytes === undefined) continue;
    replaceFile(join(directories.to, keptName(stream, segment)), bytes);
    kept = {
      oldest: kept?.oldest ?? segment,
      previous: kept?.previous ?? noFileBefore,
      newest: segment,
      hash: keptHash(bytes),
    };
  }
  return kept;
}

/** The file of one segment; undefined where nothing of it is kept. */
async function keptOf(
  path: string,
  stream: FlowStream,
  segment: number,
  previous: string,
): Promise<Buffer | undefined> {
  const lines: string[] = [];
  let lastAt = 0;
  for await (const stored of readRecords(path)) {
    if (stored === 'unreadable' || retentionClassOf(stored.record) === 'flows') continue;
    lines.push(`${stored.text}\n`);
    const loggedAt = memberOf(stored.record, 'metadata', 'logged_time');
    lastAt = typeof loggedAt === 'number' ? Math.max(lastAt, loggedAt) : lastAt;
  }
  if (lines.length === 0) return undefined;
  const header = {
    kept: 1,
    stream: streamName(stream),
    segment,
    records: lines.length,
    lastAt,
    previous,
  };
  return Buffer.from(`${JSON.stringify(header)}\n${lines.join('')}`);
}
