import type { FlowStream } from '../spool/chain.ts';
import type { FlowRecord } from '../frames/context.ts';

export type { FlowRecord };

/** Sequence numbers of a chain that a sink will never see. */
export interface Gap {
  readonly stream: FlowStream;
  readonly from: number;
  /** Included; null where nobody knows how far the chain went. */
  readonly to: number | null;
  /** `retention`: removed when their time was over; `missing`: not there, and nothing says why. */
  readonly reason: 'retention' | 'missing';
}

/** What a reader of the spool comes across. */
export type SpoolItem =
  /** `text`: as a line of ASCII JSON. */
  | { readonly kind: 'record'; readonly text: string; readonly record: FlowRecord }
  | { readonly kind: 'gap'; readonly gap: Gap }
  /** A line that is no record, or was damaged; `postern flows verify` names it too. */
  | { readonly kind: 'unreadable'; readonly line: Buffer };

/** A member of a record, however deep; undefined where it is not there. */
export function memberOf(record: unknown, ...path: readonly string[]): unknown {
  let value = record;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Record<string, unknown>)[key];
  }
  return value;
}

/** The same where it is text, or a number to be shown as one. */
export function textOf(record: unknown, ...path: readonly string[]): string | undefined {
  const value = memberOf(record, ...path);
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;
}
