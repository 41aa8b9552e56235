import type { KeyObject } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { FlowProblem } from '../verify/flow-report.ts';
import { readLines } from '../read/read-lines.ts';
import type { RetiredPart } from '../spool/retired.ts';
import { filesOf } from './checkpoint-log.ts';
import {
  checkpointHash,
  firstPrevious,
  isSignedBy,
  keyIdOf,
  parseCheckpoint,
  parseCheckpointFileName,
} from './checkpoint.ts';
import type { Checkpoint, CheckpointedRecords } from './checkpoint.ts';

/** What signed checkpoints say of one chain. */
export interface VouchedStream {
  /** Hashes of records by their sequence number, with when that was signed; the last one signed is always among them. */
  readonly marks: ReadonlyMap<number, { readonly hash: string; readonly at: number }>;
  readonly sequence: number;
  readonly segment: number;
  readonly ended: boolean;
  readonly retired: RetiredPart | undefined;
}

export interface CheckpointSummary {
  readonly records: CheckpointedRecords;
  readonly first: number;
  readonly last: number;
  /** Hash of the last one: to be compared with a note of it that is kept elsewhere. */
  readonly hash: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

export interface ReadCheckpoints {
  readonly streams: ReadonlyMap<string, VouchedStream>;
  /** Undefined where there is none that can be believed. */
  readonly summary: CheckpointSummary | undefined;
  readonly problems: readonly FlowProblem[];
}

/** What is remembered of one chain: beyond it every second mark is forgotten, so that they stay spread over all of it. */
const maxMarks = 4096;

interface Collected {
  marks: Map<number, { readonly hash: string; readonly at: number }>;
  sequence: number;
  segment: number;
  ended: boolean;
  retired: RetiredPart | undefined;
}

/**
 * Reads and verifies all checkpoints of one directory of records. What is not signed by one of the keys, or is not in its
 * place, is a problem, and nothing that it says counts. `since`, in epoch milliseconds: only files that were written to after
 * that. @throws what the file system throws
 */
export async function readCheckpoints(
  directory: string,
  records: CheckpointedRecords,
  keys: readonly KeyObject[],
  since = Number.NEGATIVE_INFINITY,
): Promise<ReadCheckpoints> {
  const keyOf = new Map(keys.map((key) => [keyIdOf(key), key]));
  const problems: FlowProblem[] = [];
  const streams = new Map<string, Collected>();
  const files = await filesOf(directory, records);
  let before: { readonly number: number; readonly hash: string } | undefined;
  let summary: CheckpointSummary | undefined;
  let oldest = 1;
  const problem = (kind: FlowProblem['kind'], file: string, message: string, line?: number): void => {
    problems.push({ kind, file, message, ...(line === undefined ? {} : { line }) });
  };

  for (const file of files) {
    if ((await stat(join(directory, file))).mtimeMs < since) continue;
    for await (const { bytes, number: line, isWhole } of readLines(join(directory, file))) {
      // Nobody was told of it, and the next one is in another file.
      if (!isWhole) continue;
      const text = bytes.toString('utf8');
      const checkpoint = parseCheckpoint(text);
      const key = keyOf.get(checkpoint?.key ?? '');
      if (checkpoint === undefined || key === undefined || !isSignedBy(text, key)) {
        problem('checkpoint-edited', file, whyNot(checkpoint, key), line);
        continue;
      }
      if (checkpoint.records !== records) {
        problem('checkpoint-edited', file, `is a checkpoint of ${checkpoint.records}`, line);
        continue;
      }
      const hash = checkpointHash(text);
      const misplaced = placeProblem(checkpoint, before);
      if (misplaced !== undefined) problem(misplaced.kind, file, misplaced.message, line);
      if (before !== undefined && checkpoint.number <= before.number) continue;
      before = { number: checkpoint.number, hash };
      oldest = checkpoint.oldest;
      summary = {
        records,
        first: summary?.first ?? checkpoint.number,
        last: checkpoint.number,
        hash,
        at: checkpoint.at,
      };
      for (const mark of checkpoint.streams) collect(streams, mark, checkpoint.at);
    }
  }
  const first = parseCheckpointFileName(files[0] ?? '')?.first ?? 1;
  if (summary !== undefined && first > oldest)
    problem('checkpoint-missing', files[0] ?? '', missing(oldest, first - 1));
  else if (summary === undefined && since === Number.NEGATIVE_INFINITY)
    problem('checkpoint-missing', directory, `there is no checkpoint of ${records} that can be believed`);
  return { streams, summary, problems };
}

const whyNot = (checkpoint: Checkpoint | undefined, key: KeyObject | undefined): string =>
  checkpoint === undefined
    ? 'is no checkpoint'
    : key === undefined
      ? `checkpoint ${checkpoint.number} is signed by a key (${checkpoint.key}) that is none of those given`
      : `checkpoint ${checkpoint.number} is not what was signed`;

const missing = (from: number, to: number): string =>
  from === to ? `checkpoint ${from} is missing` : `checkpoints ${from} to ${to} are missing`;

function placeProblem(
  { number, previous }: Checkpoint,
  before: { readonly number: number; readonly hash: string } | undefined,
): { readonly kind: FlowProblem['kind']; readonly message: string } | undefined {
  if (before === undefined)
    return number === 1 && previous !== firstPrevious
      ? { kind: 'checkpoint-edited', message: 'is not the first checkpoint' }
      : undefined;
  if (number <= before.number)
    return { kind: 'checkpoint-edited', message: `checkpoint ${number} comes after ${before.number}` };
  if (number > before.number + 1)
    return { kind: 'checkpoint-missing', message: missing(before.number + 1, number - 1) };
  return previous === before.hash
    ? undefined
    : { kind: 'checkpoint-edited', message: `checkpoint ${number} follows another than ${before.number}` };
}

function collect(streams: Map<string, Collected>, mark: Checkpoint['streams'][number], at: number): void {
  let known = streams.get(mark.stream);
  if (known === undefined) {
    known = { marks: new Map(), sequence: 0, segment: 0, ended: false, retired: undefined };
    streams.set(mark.stream, known);
  }
  // The hash before the first record is worked out, not looked up.
  if (mark.sequence > 0) known.marks.set(mark.sequence, { hash: mark.hash, at });
  if (known.marks.size > maxMarks) {
    const last = known.marks.size - 1;
    known.marks = new Map([...known.marks].filter((_, index) => index % 2 === 0 || index === last));
  }
  known.sequence = Math.max(known.sequence, mark.sequence);
  known.segment = Math.max(known.segment, mark.segment);
  known.ended ||= mark.ended;
  known.retired = mark.retired ?? known.retired;
}
