import { join } from 'node:path';
import { readLines } from '../read/read-lines.ts';
import type { Period } from '../shipper/read-period.ts';
import { memberOf } from '../shipper/spool-item.ts';
import type { FlowRecord, SpoolItem } from '../shipper/spool-item.ts';
import type { FlowStream } from '../spool/chain.ts';
import { parseKeptHeader } from './kept-file.ts';
import { listKept } from './list-kept.ts';

/**
 * What is kept of a period whose other records are gone, each chain in its order; of chains that are wanted.
 * @throws what the file system throws
 */
export async function* readKept(
  directory: string,
  { since, until }: Period,
  isWanted: (stream: FlowStream) => boolean = () => true,
): AsyncIterable<SpoolItem> {
  for (const files of (await listKept(directory)).values())
    for (const { name, stream } of files) {
      if (!isWanted(stream)) continue;
      for await (const { bytes, number } of readLines(join(directory, name))) {
        // The first line says what it is. Nothing in it happened after it was written.
        if (number === 1 && (parseKeptHeader(bytes)?.lastAt ?? since ?? 0) < (since ?? 0)) break;
        if (number === 1) continue;
        const record = parse(bytes);
        const time = memberOf(record, 'time');
        if (record === undefined || typeof time !== 'number') yield { kind: 'unreadable', line: bytes };
        else if (time >= (since ?? time) && time < (until ?? Number.POSITIVE_INFINITY))
          yield { kind: 'record', text: bytes.toString('utf8'), record };
      }
    }
}

function parse(line: Buffer): FlowRecord | undefined {
  try {
    return JSON.parse(line.toString('utf8')) as FlowRecord;
  } catch {
    return undefined;
  }
}
