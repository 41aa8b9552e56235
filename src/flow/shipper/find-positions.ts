import { join } from 'node:path';
import { readLastLink } from '../verify/read-chain-link.ts';
import { readLinesBackwards } from '../read/read-backwards.ts';
import { segmentName } from '../spool/segment-names.ts';
import { chainBeginning } from './position.ts';
import type { Position, Positions } from './position.ts';
import type { ListedStream } from './spool-listing.ts';

/** The places behind all that is recorded by now, but for chains that cannot be read. */
export async function findEnds(streams: readonly ListedStream[]): Promise<Map<string, Position>> {
  const ends = new Map<string, Position>();
  for (const listed of streams) {
    const end = await findEnd(listed).catch(() => undefined);
    if (end !== undefined) ends.set(listed.name, end);
  }
  return ends;
}

/** Undefined where nothing is recorded yet. */
async function findEnd({ directory, stream, segments }: ListedStream): Promise<Position | undefined> {
  for (const segment of segments.toReversed())
    for await (const { bytes, start } of readLinesBackwards(join(directory, segmentName(stream, segment)))) {
      const link = readLastLink(bytes);
      // What records have in common is read again with the first of them.
      if (link?.kind === 'context') continue;
      const offset = start + bytes.length + 1;
      return { segment, offset, sequence: link?.sequence, hash: link?.hash ?? '' };
    }
  return undefined;
}

/**
 * Places of before, each held against what is there: where another record ends now, that segment is read again from its
 * beginning, since twice is better than never. `onMoved` hears of each.
 */
export async function confirmPositions(
  streams: readonly ListedStream[],
  positions: Positions,
  onMoved: (stream: string) => void,
): Promise<Map<string, Position>> {
  const confirmed = new Map<string, Position>();
  for (const [name, position] of positions) {
    const listed = streams.find((stream) => stream.name === name);
    // Of one that is gone the reader declares what there may have been.
    if (listed === undefined || (await isThere(listed, position))) confirmed.set(name, position);
    else {
      onMoved(name);
      confirmed.set(name, { ...chainBeginning, segment: position.segment, sequence: undefined });
    }
  }
  return confirmed;
}

async function isThere({ directory, stream }: ListedStream, position: Position): Promise<boolean> {
  if (position.offset === 0) return true;
  const path = join(directory, segmentName(stream, position.segment));
  try {
    for await (const { bytes, start } of readLinesBackwards(path, position.offset)) {
      if (start + bytes.length + 1 !== position.offset) return false;
      const link = readLastLink(bytes);
      // Behind a line that was no record there is no hash to hold it against.
      return link === undefined || (link.kind === 'record' && link.hash === position.hash);
    }
    return false;
  } catch {
    // Removed when its time was over, or not to be read: the reader declares either.
    return true;
  }
}
