import { parseContext } from './context.ts';
import type { ExpandedContext, FlowRecord } from './context.ts';
import { parseFrame } from './frame.ts';
import type { Frame } from './frame.ts';
import { parseShort } from './short-record.ts';

/** A record of a segment as a receiver sees it. */
export interface StoredRecord {
  readonly sequence: number;
  /** What the next one names as the one before it. */
  readonly hash: string;
  /** One line of ASCII JSON, without a line feed. */
  readonly text: string;
  readonly record: FlowRecord;
}

/**
 * Reads the lines of one segment in their order, and remembers what they have in common. Another order works as well, as
 * long as it has seen the lines before those that it is asked for, up to `contextReach` bytes of them.
 */
export interface RecordReader {
  /**
   * @param offset of the line in its segment
   * @returns the records that were written in it; undefined for a line that has none, or was damaged
   */
  read(line: Buffer, offset: number): readonly StoredRecord[] | 'context' | undefined;
}

/** A context is written again when so many bytes of a segment came after it: who begins in the middle looks back no further. */
export const contextWindow = 4 * 1024 * 1024;
/** With room for the lines at both ends of it. */
export const contextReach = contextWindow + 2 * 1024 * 1024;

interface KnownContext {
  readonly text: string;
  offset: number;
  /** Built when it is first asked for; null for one that is none. */
  expanded: ExpandedContext | null | undefined;
}

export function createRecordReader(): RecordReader {
  /** By hash, in the order in which they were read. */
  const contexts = new Map<string, KnownContext>();

  function learn({ payload, hash }: Frame, offset: number): void {
    const text = payload.toString('latin1');
    const known = contexts.get(hash);
    contexts.delete(hash);
    contexts.set(hash, { text, expanded: known?.expanded, offset });
    for (const [old, context] of contexts) {
      if (context.offset >= offset - contextReach) break;
      contexts.delete(old);
    }
  }

  function contextOf(hash: string): ExpandedContext | null | undefined {
    const known = contexts.get(hash);
    if (known !== undefined) known.expanded ??= parseContext(known.text) ?? null;
    return known?.expanded;
  }

  /** All of a line, or none: whoever cannot read one of them keeps the line. */
  function shortRecords(payload: Buffer): StoredRecord[] {
    const records: StoredRecord[] = [];
    for (const own of parseShort(payload) ?? []) {
      const { sequence, hash } = own;
      const context = contextOf(own.context);
      if (context === undefined || context === null) return [];
      records.push({ sequence, hash, text: context.textOf(own), record: context.recordOf(own) });
    }
    return records;
  }

  return {
    read(line, offset) {
      const frame = parseFrame(line);
      if (frame === undefined || !frame.isSound) return undefined;
      const { kind, payload, hash } = frame;
      if (kind === 'context') {
        learn(frame, offset);
        return 'context';
      }
      const records = kind === 'record' ? wholeRecord(payload, hash) : shortRecords(payload);
      return records.length === 0 ? undefined : records;
    },
  };
}

function wholeRecord(payload: Buffer, hash: string): StoredRecord[] {
  const text = payload.toString('latin1');
  let record: FlowRecord;
  try {
    record = JSON.parse(text) as FlowRecord;
  } catch {
    return [];
  }
  const sequence = (record as { metadata?: { sequence?: unknown } } | null)?.metadata?.sequence;
  return typeof sequence === 'number' && Number.isSafeInteger(sequence) && sequence >= 1
    ? [{ sequence, hash, text, record }]
    : [];
}
