import type { FlowFacts, FlowOutcome } from '../../domain/flow.ts';
import type { Place } from '../envelope.ts';
import { pathOnly } from '../http-activity.ts';
import { postureAgeSeconds } from '../posture-age.ts';
import { asciiJson, quote, textLimits } from '../safe-text.ts';

/** What one request's record has of its own, beside its context: in the order in which it is written and hashed. */
export type ShortRecord = readonly [
  /** Hash of the context: of its line, as a record's is of its own. */
  context: string,
  sequence: number,
  uid: string,
  loggedTime: number,
  startTime: number,
  endTime: number,
  flow: string,
  parent: string | null,
  path: string,
  status: number,
  bytesIn: number,
  bytesOut: number,
  endedBy: string,
  postureAgeSeconds: number | null,
  /** Records that were given up before this one. */
  lost: number,
  previous: string,
];

const shape = [
  'string',
  'number',
  'string',
  'number',
  'number',
  'number',
  'string',
  'string?',
  'string',
  'number',
  'number',
  'number',
  'string',
  'number?',
  'number',
  'string',
] as const;

/** Many records are of one millisecond, and long numbers take long to print. */
function createTimePrinter(): (epochMs: number) => string {
  let last = Number.NaN;
  let text = '';
  return (epochMs) => {
    const time = Math.trunc(epochMs);
    if (time !== last) {
      last = time;
      text = `${time}`;
    }
    return text;
  };
}
const printLogged = createTimePrinter();
const printStart = createTimePrinter();
const printEnd = createTimePrinter();

export function formatShort(context: string, facts: FlowFacts, outcome: FlowOutcome, place: Place): string {
  return (
    `["${context}",${place.sequence},"${place.uid}",${printLogged(place.loggedTime)}` +
    `,${printStart(facts.startedAt)},${printEnd(outcome.endedAt)},${quote(facts.id, 64)}` +
    `,${facts.parent === undefined ? 'null' : quote(facts.parent, 64)},${quote(pathOnly(facts.request?.path ?? ''), textLimits.path)}` +
    `,${outcome.status},${outcome.bytesIn},${outcome.bytesOut},"${outcome.endedBy}"` +
    `,${postureAgeSeconds(facts)},${place.lost},"${place.previous}"]`
  );
}

/** Undefined for what is no such record, or is one in another spelling: its hash would not be found again from what it says. */
export function parseShort(payload: Buffer): ShortRecord | undefined {
  const text = payload.toString('latin1');
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(values) || values.length !== shape.length) return undefined;
  for (const [index, type] of shape.entries()) {
    const value: unknown = values[index];
    const isFitting = type.endsWith('?') && value === null ? true : type.startsWith(typeof value);
    if (!isFitting || (typeof value === 'number' && !Number.isSafeInteger(value))) return undefined;
  }
  return asciiJson(values) === text ? (values as unknown as ShortRecord) : undefined;
}
