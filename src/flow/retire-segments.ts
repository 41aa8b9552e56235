import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from '../ledger/durable-file.ts';
import { chainStart, lineHash } from './chain.ts';
import type { FlowStream } from './chain.ts';
import { readChainLink } from './read-chain-link.ts';
import { readLinesBackwards } from './read-backwards.ts';
import { formatRetired } from './retired.ts';
import type { RetiredPart } from './retired.ts';
import { headName, parseSegmentName, retiredName, streamName } from './segment-names.ts';

/**
 * Removes the records of a directory that were written before `before` (epoch milliseconds), by whole segments from the
 * beginning of each chain, so that the rest still verifies; a chain that is over goes with all its files. A segment
 * that cannot be read, or whose records say no time, stays, with all after it: nothing is removed that might be
 * evidence of something. `current` is being written. `retiring` is awaited before anything of a chain is removed: what
 * it leaves behind must vouch for it. @returns how many segments were removed
 * @throws what the file system throws
 */
export async function retireSegments(
  directory: string,
  before: number,
  current: FlowStream,
  retiring: (stream: FlowStream, part: RetiredPart) => Promise<void> = async () => undefined,
): Promise<number> {
  const names = (await readdir(directory)).toSorted();
  const segments = names.flatMap((name) => {
    const parsed = parseSegmentName(name);
    // What began later holds nothing older: mostly no file is opened.
    return parsed === undefined || parsed.stream.startedAt >= before ? [] : [{ name, ...parsed }];
  });
  let removed = 0;
  for (const chain of Map.groupBy(segments, ({ stream }) => streamName(stream)).values()) {
    const [{ stream } = { stream: current }] = chain;
    const isCurrent = streamName(stream) === streamName(current);
    const old = await oldOnes(directory, stream, isCurrent ? chain.slice(0, -1) : chain, before);
    const last = old.at(-1);
    if (last === undefined) continue;
    const { segment, sequence, hash } = last;
    await retiring(stream, { segment, sequence, hash });
    const isOver = !isCurrent && old.length === chain.length;
    if (!isOver) replaceFile(join(directory, retiredName(stream)), Buffer.from(formatRetired(last)));
    for (const { name } of old) await rm(join(directory, name), { force: true });
    removed += old.length;
    if (isOver)
      for (const name of [headName(stream), retiredName(stream)])
        await rm(join(directory, name), { force: true });
  }
  return removed;
}

interface Old {
  readonly name: string;
  readonly segment: number;
  readonly sequence: number;
  readonly hash: string;
}

async function oldOnes(
  directory: string,
  stream: FlowStream,
  segments: readonly { readonly name: string; readonly segment: number }[],
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
  for await (const { bytes } of readLinesBackwards(path)) {
    const link = readChainLink(bytes);
    if (link === undefined) return undefined;
    return { sequence: link.sequence, hash: lineHash(bytes), loggedAt: link.loggedAt };
  }
  return 'empty';
}
