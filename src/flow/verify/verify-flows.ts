import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { KeyObject } from 'node:crypto';
import type { FlowStream } from '../spool/chain.ts';
import type { CheckpointedRecords } from '../checkpoints/checkpoint.ts';
import { readCheckpoints } from '../checkpoints/read-checkpoints.ts';
import type { VouchedStream } from '../checkpoints/read-checkpoints.ts';
import type { FlowReport, Retirement, Silence, TornLine, VerifiedStream } from './flow-report.ts';
import { parseHead } from '../spool/head.ts';
import type { FlowHead } from '../spool/head.ts';
import { plainFile } from '../read/plain-file.ts';
import { parseRetired } from '../spool/retired.ts';
import type { RetiredPart } from '../spool/retired.ts';
import { verifyRetired } from './verify-retired.ts';
import {
  headName,
  parseHeadName,
  parseRetiredName,
  parseSegmentName,
  retiredName,
  streamName,
} from '../spool/segment-names.ts';
import { verifyStream } from './verify-stream.ts';

interface StreamFiles {
  readonly stream: FlowStream;
  readonly segments: { name: string; segment: number }[];
  head: FlowHead | undefined;
  headProblem: string | undefined;
  retired: RetiredPart | undefined;
  retiredProblem: boolean;
  /** Under the names of segments, and no files. */
  readonly strange: string[];
}

export interface VerifyOptions {
  /** Epoch milliseconds: only chains that were written to after that. */
  readonly since?: number;
  /** Signed checkpoints of these records, and the public keys that are believed. */
  readonly checkpoints?: {
    readonly directory: string;
    readonly records: CheckpointedRecords;
    readonly keys: readonly KeyObject[];
    /** Where records lie that are kept longer than their segments, if there are any of this kind. */
    readonly kept?: string;
  };
}

/** A record is in a checkpoint soon after it was written. */
const vouchedWithinMs = 60_000;

/**
 * Verifies the chains of all workers in a directory, also while they write.
 * By itself it proves that nothing was changed, taken out, put in or moved within what a chain holds, and finds an end that
 * was cut off as far as the head beside it tells. With checkpoints, it finds also what whoever can write in the directory
 * wrote anew, chain and head together, or took away whole.
 * @throws what the file system throws, when the directory or a file cannot be read.
 */
export async function verifyFlows(directory: string, options: VerifyOptions = {}): Promise<FlowReport> {
  const { since, checkpoints } = options;
  // Before the records: those that are written meanwhile can then only be more than was signed.
  const signed =
    checkpoints === undefined
      ? undefined
      : await readCheckpoints(checkpoints.directory, checkpoints.records, checkpoints.keys, since);
  const streams = await findStreams(directory, signed?.streams);
  const report = {
    files: 0,
    records: 0,
    streams: [] as VerifiedStream[],
    problems: [...(signed?.problems ?? [])],
    torn: [] as TornLine[],
    silences: [] as Silence[],
    retirements: [] as Retirement[],
    checkpoints: signed?.summary === undefined ? [] : [signed.summary],
  };
  const vouchedBefore = (signed?.summary?.at ?? Number.NEGATIVE_INFINITY) - vouchedWithinMs;
  for (const files of streams) {
    const { stream, segments: all, head, headProblem, retired: claimed, retiredProblem } = files;
    const vouched = signed?.streams.get(streamName(stream));
    const retired = signed?.summary === undefined ? claimed : vouched?.retired;
    // Those that a kill left behind after it was written down that they go.
    const segments = all.filter(({ segment }) => segment > (retired?.segment ?? 0));
    if (since !== undefined && !(await isWrittenSince(directory, segments, since))) continue;
    const edited = (file: string, message: string): void => {
      report.problems.push({ kind: 'edited', worker: stream.worker, file, message });
    };
    for (const file of files.strange)
      report.problems.push({
        kind: 'malformed',
        worker: stream.worker,
        file,
        message: 'is a link or something else that is no file',
      });
    if (headProblem !== undefined) edited(headName(stream), headProblem);
    if (retiredProblem) edited(retiredName(stream), 'does not say where a chain goes on');
    if ((claimed?.sequence ?? 0) > (retired?.sequence ?? 0))
      edited(
        retiredName(stream),
        `says that records up to ${claimed?.sequence} were removed when their time was over; no checkpoint says so`,
      );
    const verified = await verifyStream({
      directory,
      stream,
      segments,
      head,
      retired,
      vouched,
      vouchedBefore,
    });
    report.files += segments.length;
    report.records += verified.summary.records;
    report.streams.push(verified.summary);
    report.problems.push(...verified.problems);
    report.torn.push(...verified.torn);
    report.silences.push(...verified.silences);
  }
  if (signed?.summary !== undefined && since === undefined) {
    const found = await verifyRetired(signed.streams, directory, checkpoints?.kept);
    report.retirements.push(...found.retirements);
    report.problems.push(...found.problems);
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
async function findStreams(
  directory: string,
  signed: ReadonlyMap<string, VouchedStream> = new Map(),
): Promise<StreamFiles[]> {
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
      strange: [],
    };
    streams.set(key, entry);
    return entry;
  };
  // Also one of which no file is left, unless all of it was removed when its time was over.
  for (const [name, { sequence, ended, retired }] of signed) {
    const stream = parseHeadName(`${name}.head`);
    const isOver = ended && retired !== undefined && retired.sequence >= sequence;
    if (stream !== undefined && !isOver) entryOf(stream);
  }
  for (const name of names) {
    const retired = parseRetiredName(name);
    if (retired === undefined) continue;
    const entry = entryOf(retired);
    entry.retired = parseRetired(await textIn(join(directory, name)));
    entry.retiredProblem = entry.retired === undefined;
  }
  for (const name of names) {
    const stream = parseHeadName(name);
    if (stream === undefined) continue;
    const text = await textIn(join(directory, name));
    const entry = entryOf(stream);
    entry.head = parseHead(text);
    // Empty until the first sync.
    if (entry.head === undefined && text !== '') entry.headProblem = 'is no head of a chain';
  }
  const entries = await readdir(directory, { withFileTypes: true });
  for (const file of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const { name } = file;
    const parsed = parseSegmentName(name);
    if (parsed === undefined) continue;
    const entry = entryOf(parsed.stream);
    if (file.isFile()) entry.segments.push({ name, segment: parsed.segment });
    else entry.strange.push(name);
  }
  return [...streams.values()].toSorted((a, b) => (streamName(a.stream) < streamName(b.stream) ? -1 : 1));
}

/** Of a link or a folder something that neither a head nor anything else of a chain says. */
async function textIn(path: string): Promise<string> {
  try {
    return await readFile(path, { encoding: 'latin1', flag: plainFile });
  } catch (error) {
    if (['ELOOP', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return 'no file';
    throw error;
  }
}
