/**
 * What a worker knows to be on disk, beside its segments: without it, a chain that was cut off at its end would look
 * like one that ended there. It is written after the records it speaks of are synced, so it may lag, never lead.
 */
export interface FlowHead {
  /** Of the last record known to be on disk. */
  readonly sequence: number;
  /** Hash of that record's line. */
  readonly hash: string;
  readonly segment: number;
  /** Whether the worker ended in order: nothing comes after. */
  readonly isClosed: boolean;
}

/** Every head has one length, so that it is overwritten in place by a single write and never seen half old. */
const headLength = 192;

export const formatHead = ({ sequence, hash, segment, isClosed }: FlowHead): string =>
  `${JSON.stringify({ sequence, hash, segment, isClosed }).padEnd(headLength - 1)}\n`;

/** A head, or undefined for anything that is not exactly one. */
export function parseHead(text: string): FlowHead | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (value === null || typeof value !== 'object') return undefined;
  const { sequence, hash, segment, isClosed } = value as Record<string, unknown>;
  return typeof sequence === 'number' &&
    typeof hash === 'string' &&
    typeof segment === 'number' &&
    typeof isClosed === 'boolean'
    ? { sequence, hash, segment, isClosed }
    : undefined;
}
