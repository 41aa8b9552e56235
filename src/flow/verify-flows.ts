import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FlowStream } from './chain.ts';
import type { FlowProblem, FlowReport, TornLine, VerifiedStream } from './flow-report.ts';
import { parseHead } from './head.ts';
import type { FlowHead } from './head.ts';
import { parseRetired } from './retired.ts';
import type { RetiredPart } from './retired.ts';
import {
  headName,
  parseHeadName,
  parseRetiredName,
  parseSegmentName,
  retiredName,
  streamName,
} from './segment-names.ts';
import { verifyStream } from './verify-stream.ts';

interface StreamFiles {
  readonly stream: FlowStream;
  readonly segments: { name: string; segment: number }[];
  head: FlowHead | undefined;
  headProblem: string | undefined;
  retired: RetiredPart | undefined;
  retiredProblem: boolean;
}

/**
 * Verifies the chains of all workers in a directory, also while they write.
 * It proves that nothing was changed, taken out, put in or moved within what a chain holds. Cutting off its end is seen as
 * far as the head beside it tells; whoever can rewrite chain and head together must be caught by the copies at the SOC.
 * `since`, in epoch milliseconds: only chains that were written to after that.
 * @throws what the file system throws, when the directory or a file cannot be read.
 */
export async function verifyFlows(
  directory: string,
  options: { readonly since?: number } = {},
): Promise<FlowReport> {
  const streams = await findStreams(directory);
  const report = {
    files: 0,
    records: 0,
    streams: [] as VerifiedStream[],
    problems: [] as FlowProblem[],
    torn: [] as TornLine[],
  };
  for (const { stream, segments: all, head, headProblem, retired, retiredProblem } of streams) {
    // Those that a kill left behind after it was written down that they go.
    const segments = all.filter(({ segment }) => segment > (retired?.segment ?? 0));
    if (options.since !== undefined && !(await isWrittenSince(directory, segments, options.since))) continue;
    if (headProblem !== undefined)
      report.problems.push({
        kind: 'edited',
        worker: stream.worker,
        file: headName(stream),
        message: headProblem,
      });
    if (retiredProblem)
      report.problems.push({
        kind: 'edited',
        worker: stream.worker,
        file: retiredName(stream),
        message: 'does not say where a chain goes on',
      });
    const verified = await verifyStream(directory, stream, segments, head, retired);
    report.files += segments.length;
    report.records += verified.summary.records;
    report.streams.push(verified.summary);
    report.problems.push(...verified.problems);
    report.torn.push(...verified.torn);
  }
  return report;
}

async function isWrittenSince(
  directory: string,
  segments: readonly { readonly name: string }[],
  since: number,
): Promise<boolean> {
  for (const { name } of segments) if ((await stat(join(directory, name))).mtimeMs >= since) return true;
  return segments.length === 0;
}

/** Heads are read before segments: a worker that goes on writing meanwhile can then only have more than its head says. */
async function findStreams(directory: string): Promise<StreamFiles[]> {
  const names = (await readdir(directory)).toSorted();
  const streams = new Map<string, StreamFiles>();
  const entryOf = (stream: FlowStream): StreamFiles => {
    const key = streamName(stream);
    const known = streams.get(key);
    if (known !== undefined) return known;
    const entry: StreamFiles = {
      stream,
      segments: [],
      head: undefined,
      headProblem: undefined,
      retired: undefined,
      retiredProblem: false,
    };
    streams.set(key, entry);
    return entry;
  };
  for (const name of names) {
    const retired = parseRetiredName(name);
    if (retired === undefined) continue;
    const entry = entryOf(retired);
    entry.retired = parseRetired(await readFile(join(directory, name), 'latin1'));
    entry.retiredProblem = entry.retired === undefined;
  }
  for (const name of names) {
    const stream = parseHeadName(name);
    if (stream === undefined) continue;
    const text = await readFile(join(directory, name), 'latin1');
    const entry = entryOf(stream);
    entry.head = parseHead(text);
    // Empty until the first sync.
    if (entry.head === undefined && text !== '') entry.headProblem = 'is no head of a chain';
  }
  for (const name of await readdir(directory).then((found) => found.toSorted())) {
    const parsed = parseSegmentName(name);
    if (parsed === undefined) continue;
    const entry = entryOf(parsed.stream);
    entry.segments.push({ name, segment: parsed.segment });
  }
  return [...streams.values()].toSorted((a, b) => (streamName(a.stream) < streamName(b.stream) ? -1 : 1));
}
