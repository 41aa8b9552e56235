import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../../ledger/durable-file.ts';
import { chainStart } from './chain.ts';
import type { FlowStream } from './chain.ts';
import { readLastLink } from '../verify/read-chain-link.ts';
import { readLinesBackwards } from '../read/read-backwards.ts';
import { formatRetired } from './retired.ts';
import type { KeptFiles, RetiredPart } from './retired.ts';
import { headName, parseSegmentName, retiredName, streamName } from './segment-names.ts';

export interface Retirement {
  readonly directory: string;
  /** Epoch milliseconds: what was written before it goes. */
  readonly before: number;
  /** Whether a chain goes on: its last segment stays. */
  readonly isWritten: (stream: FlowStream) => boolean;
  /** What was signed of the beginning of a chain. */
  readonly retiredOf?: (stream: FlowStream) => RetiredPart | undefined;
  /** Awaited before segments go: puts aside what of them is kept. Undefined: they stay, with all after them. */
  readonly keep?: (
    stream: FlowStream,
    segments: readonly SegmentFile[],
    retired: RetiredPart | undefined,
  ) => Promise<{ readonly kept: KeptFiles | undefined } | undefined>;
  /** Awaited before anything of a chain is removed: what it leaves behind must vouch for it. */
  readonly retiring?: (stream: FlowStream, part: RetiredPart, isOver: boolean) => Promise<void>;
}

export interface SegmentFile {
  readonly name: string;
  readonly segment: number;
}

/**
 * Removes old records by whole segments from the beginning of each chain, so that the rest still verifies; a chain that is
 * over goes with all its files. A segment that cannot be read, or whose records say no time, stays, with all after it:
 * nothing is removed that might be evidence of something. @returns how many segments were removed
 * @throws what the file system throws
 */
export async function retireSegments(retirement: Retirement): Promise<number> {
  const { directory, before, isWritten, retiredOf, keep, retiring } = retirement;
  const names = (await readdir(directory)).toSorted();
  const segments = names.flatMap((name) => {
    const parsed = parseSegmentName(name);
    // What began later holds nothing older: mostly no file is opened.
    return parsed === undefined || parsed.stream.startedAt >= before ? [] : [{ name, ...parsed }];
  });
  let removed = 0;
  for (const chain of Map.groupBy(segments, ({ stream }) => streamName(stream)).values()) {
    const [{ stream } = { stream: undefined }] = chain;
    if (stream === undefined) continue;
    const isCurrent = isWritten(stream);
    const old = await oldOnes(directory, stream, isCurrent ? chain.slice(0, -1) : chain, before);
    const last = old.at(-1);
    if (last === undefined) continue;
    const isOver = !isCurrent && old.length === chain.length;
    const known = retiredOf?.(stream);
    // Those that a kill left behind are on record already.
    const fresh = old.filter(({ segment }) => segment > (known?.segment ?? 0));
    if (fresh.length > 0) {
      const put = keep === undefined ? { kept: known?.kept } : await keep(stream, fresh, known);
      if (put === undefined) continue;
      const { segment, sequence, hash } = last;
      const { kept } = put;
      const part = { segment, sequence, hash, before, ...(kept === undefined ? {} : { kept }) };
      await retiring?.(stream, part, isOver);
    }
    if (!isOver)
      replaceFile(join(directory, retiredName(stream)), Buffer.from(formatRetired(last)), everybodysMode);
    for (const { name } of old) await rm(join(directory, name), { force: true });
    removed += old.length;
    if (isOver)
      for (const name of [headName(stream), retiredName(stream)])
        await rm(join(directory, name), { force: true });
  }
  return removed;
}

/** Who delivers records reads it, and is another user. The directory itself is for the two alone. */
const everybodysMode = 0o644;

interface Old {
  readonly name: string;
  readonly segment: number;
  readonly sequence: number;
  readonly hash: string;
}

async function oldOnes(
  directory: string,
  stream: FlowStream,
  segments: readonly SegmentFile[],
  before: number,
): Promise<Old[]> {
  const old: Old[] = [];
  for (const { name, segment } of segments) {
    const last = await lastOf(join(directory, name));
    // Opened, and nobody read anything before its server ended.
    if (last === 'empty') {
      const { sequence, hash } = old.at(-1) ?? { sequence: 0, hash: chainStart(stream) };
      old.push({ name, segment, sequence, hash });
      continue;
    }
    if (last === undefined || last.loggedAt >= before) break;
    old.push({ name, segment, sequence: last.sequence, hash: last.hash });
  }
  return old;
}

async function lastOf(
  path: string,
): Promise<
  'empty' | { readonly sequence: number; readonly hash: string; readonly loggedAt: number } | undefined
> {
  // The directory is the workers': what is no plain file is none of ours.
  if (!(await lstat(path)).isFile()) return undefined;
  for await (const { bytes } of readLinesBackwards(path)) {
    const link = readLastLink(bytes);
    // Of a record that was not written any more.
    if (link?.kind === 'context') continue;
    return link;
  }
  return 'empty';
}
