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
}

export const formatRetired = ({ segment, sequence, hash }: RetiredPart): string =>
  `${JSON.stringify({ sequence, hash, segment, isClosed: false })}\n`;

/** It has the members of a head. Undefined for anything that is not exactly one. */
export const parseRetired = (text: string): RetiredPart | undefined => parseHead(text);
