import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseHead } from '../spool/head.ts';
import { plainFile } from '../read/plain-file.ts';
import { parseRetired } from '../spool/retired.ts';
import { headName, parseHeadName, retiredName, segmentName } from '../spool/segment-names.ts';
import { createSegmentReader } from '../read/segment-reader.ts';
import type { SegmentReader } from '../read/segment-reader.ts';
import { applyChange, chainBeginning } from './position.ts';
import type { Position, PositionChange, Positions } from './position.ts';
import type { Gap, SpoolItem } from './spool-item.ts';
import type { ListedStream, SpoolListing } from './spool-listing.ts';

export interface ReadLimits {
  readonly records: number;
  readonly bytes: number;
}

/** What lies between two sets of places in the spool. */
export interface Reading {
  /** Those of one chain are in its order. */
  readonly items: readonly SpoolItem[];
  readonly change: PositionChange;
}

/** Reads all chains of a spool, each in its order, for one sink. */
export interface SpoolReader {
  /** What comes next; undefined while there is nothing new. @throws what the file system throws */
  read(limits: ReadLimits): Promise<Reading | undefined>;
  /** Why some chain could not be read; undefined where all could. */
  readonly problem: string | undefined;
  /** Goes back to where it was before. */
  reset(positions: Positions): void;
}

export interface SpoolReaderOptions {
  readonly listing: SpoolListing;
  /** Of the server that runs: what other boots left is not written to any more. */
  readonly bootId: string;
  /** A chain that cannot be read keeps the others back, unless it is passed over until it can. */
  readonly passesOver?: boolean;
}

/** A worker of another boot that has not written for so long has ended, in order or not. */
const certainlyOverMs = 600_000;

export function createSpoolReader(options: SpoolReaderOptions): SpoolReader {
  const { listing } = options;
  let positions = new Map<string, Position>();
  /** Of each chain, the one that is being read. */
  const readers = new Map<string, SegmentReader>();
  /** Why chains that were passed over could not be read, by their names. */
  const unreadable = new Map<string, string>();
  /** Which chain is first in turn, so that a busy one does not keep the others back. */
  let turn = 0;

  function readerOf({ name, stream, directory }: ListedStream, segment: number): SegmentReader {
    const path = join(directory, segmentName(stream, segment));
    const known = readers.get(name);
    if (known?.path === path) return known;
    const reader = createSegmentReader(path);
    readers.set(name, reader);
    return reader;
  }

  /** One chain from its place on, as far as the limits go. */
  async function readStream(
    listed: ListedStream,
    limits: ReadLimits,
  ): Promise<{ items: SpoolItem[]; position: Position; bytes: number }> {
    const { stream, segments, directory } = listed;
    const items: SpoolItem[] = [];
    let position = positions.get(listed.name) ?? chainBeginning;
    let bytes = 0;
    /** From where to read on: behind the last record, or behind what later ones have in common. */
    let at = position.offset;
    const isFull = (): boolean => items.length >= limits.records || bytes >= limits.bytes;
    const moveTo = (segment: number): void => {
      position = placeIn(segment, 0, position);
      at = 0;
    };
    while (!isFull()) {
      const later = segments.find((segment) => segment > position.segment);
      if (!segments.includes(position.segment)) {
        if (later === undefined) break;
        moveTo(later);
        continue;
      }
      const piece = await readerOf(listed, position.segment).pieceAt(at, limits.bytes - bytes);
      if (piece.end === at) {
        // The next segment was there before this look: nobody writes to this one any more.
        if (later === undefined) break;
        if (piece.unfinished.length > 0) items.push({ kind: 'unreadable', line: piece.unfinished });
        moveTo(later);
        continue;
      }
      at = piece.end;
      for (const { records, line, end } of piece.lines) {
        if (isFull()) break;
        const { segment, passed = 0 } = position;
        if (records === undefined) {
          bytes += line.length;
          items.push({ kind: 'unreadable', line });
          position = placeIn(segment, end, position);
          continue;
        }
        for (const [index, record] of records.entries()) {
          if (index < passed) continue;
          if (isFull()) break;
          bytes += record.text.length;
          const { sequence, hash } = record;
          const before = position.sequence;
          if (before !== undefined && sequence > before + 1)
            items.push({
              kind: 'gap',
              gap: await explainGap(directory, { stream, from: before + 1, to: sequence - 1 }),
            });
          items.push({ kind: 'record', text: record.text, record: record.record });
          position =
            index === records.length - 1
              ? placeIn(segment, end, { sequence, hash })
              : { ...position, passed: index + 1, sequence };
        }
      }
    }
    return { items, position, bytes };
  }

  async function isOver(
    { stream, segments, directory }: ListedStream,
    { sequence }: Position,
  ): Promise<boolean> {
    const head = parseHead(await readText(join(directory, headName(stream))));
    if (head?.isClosed === true) return head.sequence === sequence;
    if (stream.bootId === options.bootId) return false;
    const last = segments.at(-1);
    if (last === undefined) return false;
    const { mtimeMs } = await stat(join(directory, segmentName(stream, last)));
    return Date.now() - mtimeMs > certainlyOverMs;
  }

  /** Chains that are gone as a whole: over and read, or removed before. */
  function forgetVanished(streams: readonly ListedStream[]): { items: SpoolItem[]; change: PositionChange } {
    const present = new Set(streams.map(({ name }) => name));
    const items: SpoolItem[] = [];
    const change = new Map<string, undefined>();
    for (const [name, position] of positions) {
      if (present.has(name)) continue;
      readers.delete(name);
      unreadable.delete(name);
      change.set(name, undefined);
      const stream = parseHeadName(`${name}.head`);
      if (position.isOver === true || stream === undefined) continue;
      const gap: Gap = { stream, from: (position.sequence ?? 0) + 1, to: null, reason: 'retention' };
      items.push({ kind: 'gap', gap });
    }
    return { items, change };
  }

  return {
    async read(limits) {
      const streams = await listing.streams();
      const vanished = forgetVanished(streams);
      const items = [...vanished.items];
      const change = new Map<string, Position | undefined>(vanished.change);
      let bytes = 0;
      turn = streams.length === 0 ? 0 : (turn + 1) % streams.length;
      for (const listed of [...streams.slice(turn), ...streams.slice(0, turn)]) {
        if (items.length >= limits.records || bytes >= limits.bytes) break;
        const before = positions.get(listed.name);
        if (before?.isOver === true) continue;
        try {
          const rest = { records: limits.records - items.length, bytes: limits.bytes - bytes };
          const read = await readStream(listed, rest);
          unreadable.delete(listed.name);
          bytes += read.bytes;
          items.push(...read.items);
          const hasMoved = read.position !== (before ?? chainBeginning);
          if (hasMoved) change.set(listed.name, read.position);
          else if (before !== undefined && (await isOver(listed, before))) {
            readers.delete(listed.name);
            change.set(listed.name, { ...before, isOver: true });
          }
        } catch (error) {
          const { code, message } = error as NodeJS.ErrnoException;
          // Removed since it was listed: the next listing says what is left.
          if (code === 'ENOENT') listing.outdate();
          else if (options.passesOver === true) unreadable.set(listed.name, message);
          else throw error;
        }
      }
      if (change.size === 0) return undefined;
      applyChange(positions, change);
      return { items, change };
    },
    get problem() {
      return unreadable.values().next().value;
    },
    reset: (to) => (positions = new Map(to)),
  };
}

/** Between two lines. */
const placeIn = (
  segment: number,
  offset: number,
  { sequence, hash }: Pick<Position, 'sequence' | 'hash'>,
): Position => ({ segment, offset, sequence, hash });

async function explainGap(
  directory: string,
  gap: Pick<Gap, 'stream' | 'from'> & { to: number },
): Promise<Gap> {
  const retired = parseRetired(await readText(join(directory, retiredName(gap.stream))));
  return { ...gap, reason: (retired?.sequence ?? 0) >= gap.to ? 'retention' : 'missing' };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, { encoding: 'latin1', flag: plainFile });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
