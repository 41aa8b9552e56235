import { parseHead } from './head.ts';

/**
 * Where a chain goes on whose first segments were removed because the time for which they are kept was over: what a
 * verifier needs in their place, written before they go.
 */
export interface RetiredPart {
  /** The last segment that was removed, and the last record in it with its hash, for the next to link to. */
  readonly segment: number;
  readonly sequence: number;
  readonly hash: string;
  /** When that was signed, records of before when it took, and which server did it. Epoch milliseconds. */
  readonly at?: number;
  readonly before?: number;
  readonly by?: string;
  /** What of it lives on, in files of its own. */
  readonly kept?: KeptFiles;
}

/**
 * The files with those records of a chain that are kept longer than its segments. Each names the hash of the one before, so
 * that the last vouches for all.
 */
export interface KeptFiles {
  /** Segment that the first file which is there is of, and what that file names as the one before. */
  readonly oldest: number;
  readonly previous: string;
  /** Segment that the last one is of, and its hash. */
  readonly newest: number;
  readonly hash: string;
}

export const formatRetired = ({ segment, sequence, hash }: RetiredPart): string =>
  `${JSON.stringify({ sequence, hash, segment, isClosed: false })}\n`;

/** It has the members of a head. Undefined for anything that is not exactly one. */
export const parseRetired = (text: string): RetiredPart | undefined => parseHead(text);
