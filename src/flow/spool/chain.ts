import { hash } from 'node:crypto';
import type { RecordKind } from '../../contract/sinks.ts';

/** Which chain a record belongs to: one worker from its start to its end. */
export interface FlowStream {
  readonly worker: number;
  /** Epoch milliseconds at which the worker opened its first segment. */
  readonly startedAt: number;
  readonly bootId: string;
}

/** In the place of a worker's number, of the chain in which the process of the sinks records what detections found. */
export const detectionsWorker = 999;

/** In that place, of the control process: no worker has this number. */
export const controlWorker = 0;

/** Whose records are in a chain: of flows, or of what administrators read and changed. */
export const recordKindOf = ({ worker }: Pick<FlowStream, 'worker'>): RecordKind =>
  worker === controlWorker ? 'access' : 'flows';

/**
 * What the first record of a worker names as the one before: bound to the worker, so that no chain can be passed off as
 * another's. Domain-separated; a record begins with `{` and can never have this hash.
 */
export const chainStart = ({ worker, startedAt, bootId }: FlowStream): string =>
  hash('sha256', JSON.stringify(['postern-flow-chain-1', bootId, worker, startedAt]), 'hex');

/** Lower-case hexadecimal SHA-256 of a line's bytes, or of one that is ASCII; the line feed is not among them. */
export const lineHash = (line: Uint8Array | string): string => hash('sha256', line, 'hex');
