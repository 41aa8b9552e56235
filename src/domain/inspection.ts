import type { App } from './resources.ts';

/** What can be looked for in an application's flows, by the words of its resource (`inspect`). */
export const inspectors = ['waf', 'malware', 'dlp'] as const satisfies NonNullable<App['inspect']>;
/** Tunnels are looked at by one more: whether their first bytes are what the application speaks. */
export const tunnelInspectors = [...inspectors, 'protocol'] as const;
export type Inspector = (typeof tunnelInspectors)[number];

/** Why an inspector did not see a flow, or not all of it. The SOC reads these words: to rename one breaks its searches. */
export const uninspectedReasons = [
  /** No application was reached or even found: there is nothing that it could have looked at. */
  'no-application',
  /** The application's resource does not ask for it. */
  'not-configured',
  /** The flow was refused before its turn came. */
  'refused-before',
  /** It is asked for and did not run. */
  'unavailable',
  /** Bytes of a protocol that only the application and its client understand. */
  'opaque',
  /** A tunnel to an HTTP application: each request in it is a flow, with a record of its own. */
  'in-its-requests',
  /** A WebSocket or another protocol after an upgrade; the request that asked for it was looked at. */
  'upgraded',
  /** No bytes came, or too few to tell what they are. */
  'too-few',
  /** Encrypted or encoded in a way that is not undone here. */
  'encoded',
  /** Beyond the bound up to which it looks. */
  'too-large',
  /** It took longer than it may. */
  'timeout',
  /** A part of something, whose other parts go by themselves: the answer to a question for a range. */
  'partial',
  /** Without an end that could be waited for: events, or calls whose two sides talk at once. */
  'streamed',
  /** Broken off before it was known. */
  'unfinished',
] as const;
export type UninspectedReason = (typeof uninspectedReasons)[number];

/** What one inspector did with one flow. */
export type InspectionOutcome = {
  /** Stable names of what it found, such as ids of rules: never what it looked at. */
  readonly found?: readonly string[];
  /** What was found, weighed; and from which weight on it would not pass where nothing of the sort may. */
  readonly score?: number;
  readonly threshold?: number;
  /** The same for people: fixed texts, as the rules have them. */
  readonly messages?: readonly string[];
  /** How many different ones of what was found, by its name. */
  readonly counts?: Readonly<Record<string, number>>;
} & InspectionExtent;

export type InspectionExtent =
  | { readonly state: 'done'; readonly why?: never }
  | { readonly state: 'partly' | 'not-done'; readonly why: UninspectedReason };

/** Of those that ran. Which did not, and why, is worked out from the flow when its record is written. */
export type InspectionOutcomes = Readonly<Partial<Record<Inspector, InspectionOutcome>>>;

/** What one inspector did with both bodies of a flow. What it did not see of either it did not see. */
export function joinOutcomes(
  one: InspectionOutcome | undefined,
  other: InspectionOutcome,
): InspectionOutcome {
  if (one === undefined) return other;
  const found = [...new Set([...(one.found ?? []), ...(other.found ?? [])])];
  const messages = [...new Set([...(one.messages ?? []), ...(other.messages ?? [])])];
  return {
    ...joinExtents(one, other),
    ...(found.length === 0 ? {} : { found }),
    ...(messages.length === 0 ? {} : { messages }),
    ...joinCounts(one.counts, other.counts),
  };
}

function joinCounts(
  one: InspectionOutcome['counts'],
  other: InspectionOutcome['counts'],
): Pick<InspectionOutcome, 'counts'> {
  if (one === undefined && other === undefined) return {};
  const counts: Record<string, number> = { ...one };
  for (const [name, count] of Object.entries(other ?? {})) counts[name] = (counts[name] ?? 0) + count;
  return { counts };
}

function joinExtents(one: InspectionOutcome, other: InspectionOutcome): InspectionExtent {
  const why = one.why ?? other.why;
  if (why === undefined) return { state: 'done' };
  return { state: one.state === 'not-done' && other.state === 'not-done' ? 'not-done' : 'partly', why };
}
