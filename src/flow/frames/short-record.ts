import { createHash } from 'node:crypto';
import type { FlowFacts, FlowOutcome } from '../../domain/flow.ts';
import type { Place } from '../record/envelope.ts';
import { postureAgeSeconds } from '../record/posture-age.ts';
import { asciiJson, quotePath } from '../record/safe-text.ts';

/** What one request's record has of its own, beside its context. Its id is made of its time and its hash. */
interface Own {
  /** Hash of the context: of its line, as a record's is of its own. */
  readonly context: string;
  readonly startTime: number;
  readonly endTime: number;
  readonly flow: string;
  readonly parent: string | null;
  readonly path: string;
  readonly status: number;
  /** From the client, and to it. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly endedBy: string;
  readonly postureAgeSeconds: number | null;
}

/** The same with its place in the chain, which it shares with those that are in one line with it. */
export interface ShortRecord extends Own {
  /** Of the line as it would be if it ended with this record: what the next one names. */
  readonly hash: string;
  readonly sequence: number;
  /** Number of the first record of the line. */
  readonly batch: number;
  readonly loggedTime: number;
  /** Records that were given up before this one. */
  readonly lost: number;
  readonly previous: string;
}

type MemberType = 'string' | 'number' | 'string or null' | 'number or null';

/** In the order in which they are written and hashed: those of the line, then each record's in a list of its own. */
const places = ['string', 'number', 'number', 'number'] as const satisfies readonly MemberType[];
const members = [
  ['context', 'string'],
  ['startTime', 'number'],
  ['endTime', 'number'],
  ['flow', 'string'],
  ['parent', 'string or null'],
  ['path', 'string'],
  ['status', 'number'],
  ['bytesIn', 'number'],
  ['bytesOut', 'number'],
  ['endedBy', 'string'],
  ['postureAgeSeconds', 'number or null'],
] as const satisfies readonly (readonly [keyof Own, MemberType])[];

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
const printStart = createTimePrinter();
const printEnd = createTimePrinter();

/** What a request has of its own, as it stands in the line of several. Ids of flows are this worker's own making. */
export const formatOwn = (context: string, facts: FlowFacts, outcome: FlowOutcome): string =>
  `["${context}",${printStart(facts.startedAt)},${printEnd(outcome.endedAt)},"${facts.id}"` +
  `,${facts.parent === undefined ? 'null' : `"${facts.parent}"`},${quotePath(facts.request?.path ?? '')}` +
  `,${outcome.status},${outcome.bytesIn},${outcome.bytesOut},"${outcome.endedBy}",${postureAgeSeconds(facts)}]`;

/** The line of several, which follow each other in the chain from `sequence` on. */
export const formatShort = (
  own: string,
  { sequence, loggedTime, lost, previous }: Omit<Place, 'uid'>,
): string => `["${previous}",${sequence},${loggedTime},${lost},${own}]`;

/**
 * The records of a line. Undefined for what is no such line, or is one in another spelling: hashes would not be found again
 * from what its records say.
 */
export function parseShort(payload: Buffer): readonly ShortRecord[] | undefined {
  const text = payload.toString('latin1');
  let values: unknown;
  try {
    values = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(values)) return undefined;
  const place = values.slice(0, places.length);
  const own = values.slice(places.length).map(ownOf);
  if (own.length === 0 || !places.every((type, index) => isOf(type, place[index]))) return undefined;
  if (asciiJson(values) !== text) return undefined;
  const [previous, batch, loggedTime, lost] = place as [string, number, number, number];
  const line = createHash('sha256').update(asciiJson(place).slice(0, -1));
  const records: ShortRecord[] = [];
  for (const [index, found] of own.entries()) {
    if (found === undefined) return undefined;
    const hash = line
      .update(`,${asciiJson(values[places.length + index])}`)
      .copy()
      .update(']')
      .digest('hex');
    records.push({
      ...found,
      hash,
      sequence: batch + index,
      batch,
      loggedTime,
      lost: index === 0 ? lost : 0,
      previous: records.at(-1)?.hash ?? previous,
    });
  }
  return records;
}

function ownOf(values: unknown): Own | undefined {
  if (!Array.isArray(values) || values.length !== members.length) return undefined;
  const found: Record<string, unknown> = {};
  for (const [index, [name, type]] of members.entries()) {
    if (!isOf(type, values[index])) return undefined;
    found[name] = values[index];
  }
  return found as unknown as Own;
}

const isOf = (type: MemberType, value: unknown): boolean =>
  value === null
    ? type.endsWith('null')
    : type.startsWith(typeof value) && (typeof value !== 'number' || Number.isSafeInteger(value));
