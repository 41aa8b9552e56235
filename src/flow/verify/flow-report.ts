import type { CheckpointSummary } from '../checkpoints/read-checkpoints.ts';

/**
 * What is wrong with a chain:
 * - `edited`: the next record, the head or its own checksum vouches for other bytes than are there;
 * - `missing`: sequence numbers that are nowhere;
 * - `duplicate`, `out-of-order`: a number that was there before, or belongs before its neighbor;
 * - `malformed`: a line that is no record; `foreign`: a record of another worker or start;
 * - `segment-missing`: a file of the chain is not there;
 * - `rewritten`: the chain is whole in itself and not the one that was signed;
 * - `unvouched`: records that no checkpoint knows, of a time for which there are checkpoints;
 * - `checkpoint-edited`, `checkpoint-missing`: the same of the checkpoints themselves.
 */
export type FlowProblemKind =
  | 'edited'
  | 'missing'
  | 'duplicate'
  | 'out-of-order'
  | 'malformed'
  | 'foreign'
  | 'segment-missing'
  | 'rewritten'
  | 'unvouched'
  | 'checkpoint-edited'
  | 'checkpoint-missing';

export interface FlowProblem {
  readonly kind: FlowProblemKind;
  /** Absent where it is about checkpoints. */
  readonly worker?: number;
  /** Name within the directory. */
  readonly file: string;
  /** From 1; absent when it is about a whole range or file. */
  readonly line?: number;
  /** Sequence numbers concerned, both included. */
  readonly from?: number;
  readonly to?: number;
  /** In words, for someone who is shown the place beside it. */
  readonly message: string;
}

/** The last line of a worker that was killed while writing it: nobody was told that it was written. */
export interface TornLine {
  readonly worker: number;
  readonly file: string;
  readonly line: number;
  readonly bytes: number;
}

/**
 * A time in which a worker that lived recorded nothing, not even that it lives. No record is missing: it stood still, or
 * its clock was changed.
 */
export interface Silence {
  readonly worker: number;
  readonly file: string;
  /** Epoch milliseconds. */
  readonly from: number;
  readonly to: number;
}

export interface VerifiedStream {
  readonly worker: number;
  readonly bootId: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  readonly files: number;
  readonly records: number;
  readonly lastSequence: number;
  /** Records that were removed before because the time to keep them was over. */
  readonly retired: number;
  /** Records that the worker itself gave up because the disk took none. */
  readonly lost: number;
  /** The last record that a signed checkpoint vouches for; 0 without one. */
  readonly vouched: number;
}

/** The beginning of a chain, or all of it, that was removed because its time was over, as it was signed. */
export interface Retirement {
  readonly worker: number;
  readonly bootId: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
  /** Up to this record. */
  readonly sequence: number;
  /** When, as older than what, and by which server; undefined where an earlier version removed it. */
  readonly at: number | undefined;
  readonly before: number | undefined;
  readonly by: string | undefined;
  /** Records of it that are kept longer. */
  readonly kept: number;
}

export interface FlowReport {
  readonly files: number;
  readonly records: number;
  readonly streams: readonly VerifiedStream[];
  /** Empty when every record is there and as it was written. */
  readonly problems: readonly FlowProblem[];
  readonly torn: readonly TornLine[];
  readonly silences: readonly Silence[];
  /** As far as signed checkpoints still say. */
  readonly retirements: readonly Retirement[];
  /** Of the directories for which there are any that can be believed. */
  readonly checkpoints: readonly CheckpointSummary[];
}
