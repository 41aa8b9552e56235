import { open, readdir } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { chainStart } from '../spool/chain.ts';
import type { FlowStream } from '../spool/chain.ts';
import { parseHead } from '../spool/head.ts';
import { plainFile } from '../read/plain-file.ts';
import { readLastLink } from '../verify/read-chain-link.ts';
import {
  headName,
  parseHeadName,
  parseSegmentName,
  segmentName,
  streamName,
} from '../spool/segment-names.ts';
import type { StreamMark } from './checkpoint.ts';

export interface ObserveOptions {
  readonly directory: string;
  /** What was said last of each chain. */
  readonly known: ReadonlyMap<string, StreamMark>;
  /** `unknown` for one of whose process nothing is known: it is over once it has not been written to for long. */
  readonly lifeOf: (stream: FlowStream) => 'live' | 'gone' | 'unknown';
  /** Epoch milliseconds. */
  readonly now: number;
  /** A chain that is not what it was when it was signed: told each time that it is looked at. */
  readonly onRewritten: (stream: string) => void;
}

/** Longer than a worker that lives is ever silent. */
const deadAfterMs = 120_000;
/** Longer than a head ever lags behind what a process wrote that lives. */
const settledAfterMs = 10_000;
const maxHeadBytes = 1024;
const maxTailBytes = 1024 * 1024;
const lineFeed = 0x0a;

/**
 * The chains of a directory that went on since they were signed last. Workers own these files, so that nothing in them is
 * believed but as what is there: no link is followed, no more is read than a head or a record can be.
 * @throws what the file system throws, but for files that vanish meanwhile
 */
export async function observeStreams(options: ObserveOptions): Promise<StreamMark[]> {
  const { directory, known, onRewritten } = options;
  const streams = new Map<string, { readonly stream: FlowStream; last: number }>();
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    // Whatever else bears such a name is no chain, and gone without a trace when somebody takes it away.
    if (!entry.isFile()) continue;
    const { name } = entry;
    const segment = parseSegmentName(name);
    const stream = segment?.stream ?? parseHeadName(name);
    if (stream === undefined) continue;
    const key = streamName(stream);
    if (known.get(key)?.ended === true) continue;
    const found = streams.get(key) ?? { stream, last: 0 };
    found.last = Math.max(found.last, segment?.segment ?? 0);
    streams.set(key, found);
  }
  const changed: StreamMark[] = [];
  for (const [key, { stream, last }] of streams) {
    const before = known.get(key);
    const mark = await observe(options, stream, last);
    if (mark === undefined) continue;
    if (before !== undefined && isOtherPast(before, mark)) onRewritten(key);
    else if (before === undefined || mark.sequence > before.sequence || mark.ended)
      changed.push(before?.retired === undefined ? mark : { ...mark, retired: before.retired });
  }
  return changed;
}

const isOtherPast = (before: StreamMark, { sequence, hash }: StreamMark): boolean =>
  sequence < before.sequence || (sequence === before.sequence && hash !== before.hash);

async function observe(
  { directory, lifeOf, now }: ObserveOptions,
  stream: FlowStream,
  last: number,
): Promise<StreamMark | undefined> {
  const name = streamName(stream);
  const head = await readPlain(join(directory, headName(stream)), async (file) => {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxHeadBytes), 0, maxHeadBytes, 0);
    return parseHead(buffer.toString('latin1', 0, bytesRead));
  });
  const known = {
    stream: name,
    segment: head?.segment ?? Math.min(1, last),
    sequence: head?.sequence ?? 0,
    hash: head?.hash ?? chainStart(stream),
  };
  if (!isMark(known)) return undefined;
  if (head?.isClosed === true) return { ...known, ended: true };
  const life = lifeOf(stream);
  if (life === 'live') return { ...known, ended: false };
  // The head of one that was killed lags behind what it wrote last, for good.
  const end = await readEnd(directory, stream, last);
  const silentMs = life === 'gone' || end === undefined ? Number.POSITIVE_INFINITY : now - end.writtenAt;
  const ended = silentMs >= deadAfterMs;
  return end !== undefined && end.sequence >= known.sequence && silentMs >= settledAfterMs
    ? { stream: name, segment: end.segment, sequence: end.sequence, hash: end.hash, ended }
    : { ...known, ended };
}

/** A head says what its writer wants. */
const isMark = ({ sequence, segment, hash }: Omit<StreamMark, 'stream' | 'ended'>): boolean =>
  Number.isSafeInteger(sequence) &&
  sequence >= 0 &&
  Number.isSafeInteger(segment) &&
  segment >= 0 &&
  /^[0-9a-f]{64}$/.test(hash);

interface StreamEnd {
  readonly segment: number;
  readonly sequence: number;
  readonly hash: string;
  /** Epoch milliseconds. */
  readonly writtenAt: number;
}

/** The last whole record of a chain, made to last: its process may have been killed before it synced. */
async function readEnd(directory: string, stream: FlowStream, last: number): Promise<StreamEnd | undefined> {
  // One that was opened and never written to says nothing.
  for (let segment = last; segment >= Math.max(1, last - 1); segment -= 1) {
    const end = await readPlain(join(directory, segmentName(stream, segment)), async (file) => {
      const { size, mtimeMs } = await file.stat();
      const length = Math.min(size, maxTailBytes);
      const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, size - length);
      const tail = buffer.subarray(0, bytesRead);
      const link = lastLink(tail);
      if (link?.kind !== 'record') return undefined;
      await file.datasync();
      return { segment, sequence: link.sequence, hash: link.hash, writtenAt: mtimeMs };
    });
    if (end !== undefined) return end;
  }
  return undefined;
}

/** Of the last whole line but for one that only the records after it would have needed. */
function lastLink(tail: Buffer): ReturnType<typeof readLastLink> {
  for (let to = tail.lastIndexOf(lineFeed); to > 0; ) {
    const before = tail.lastIndexOf(lineFeed, to - 1);
    const link = readLastLink(tail.subarray(before + 1, to));
    if (link?.kind !== 'context') return link;
    to = before;
  }
  return undefined;
}

/** Undefined for what is no plain file, or is not there any more. */
async function readPlain<Value>(
  path: string,
  read: (file: FileHandle) => Promise<Value | undefined>,
): Promise<Value | undefined> {
  let file: FileHandle;
  try {
    file = await open(path, plainFile);
  } catch (error) {
    if (['ENOENT', 'ELOOP', 'ENXIO'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
  try {
    return (await file.stat()).isFile() ? await read(file) : undefined;
  } finally {
    await file.close();
  }
}
