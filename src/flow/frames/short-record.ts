import type { FlowFacts, FlowOutcome } from '../../domain/flow.ts';
import type { Place } from '../envelope.ts';
import { postureAgeSeconds } from '../posture-age.ts';
import { asciiJson, quote, quotePath } from '../safe-text.ts';

/** What one request's record has of its own, beside its context. Its id is made of its time and its hash. */
export interface ShortRecord {
  /** Hash of the context: of its line, as a record's is of its own. */
  readonly context: string;
  readonly sequence: number;
  readonly loggedTime: number;
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
  /** Records that were given up before this one. */
  readonly lost: number;
  readonly previous: string;
}

/** In the order in which they are written and hashed. */
const members = [
  ['context', 'string'],
  ['sequence', 'number'],
  ['loggedTime', 'number'],
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
  ['lost', 'number'],
  ['previous', 'string'],
] as const satisfies readonly (readonly [keyof ShortRecord, string])[];

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

export function formatShort(
  context: string,
  facts: FlowFacts,
  outcome: FlowOutcome,
  { sequence, loggedTime, lost, previous }: Omit<Place, 'uid'>,
): string {
  return (
    `["${context}",${sequence},${printLogged(loggedTime)}` +
    `,${printStart(facts.startedAt)},${printEnd(outcome.endedAt)},${quote(facts.id, 64)}` +
    `,${facts.parent === undefined ? 'null' : quote(facts.parent, 64)},${quotePath(facts.request?.path ?? '')}` +
    `,${outcome.status},${outcome.bytesIn},${outcome.bytesOut},"${outcome.endedBy}"` +
    `,${postureAgeSeconds(facts)},${lost},"${previous}"]`
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
  if (!Array.isArray(values) || values.length !== members.length) return undefined;
  const found: Record<string, unknown> = {};
  for (const [index, [name, type]] of members.entries()) {
    const value: unknown = values[index];
    const isFitting = value === null ? type.endsWith('null') : type.startsWith(typeof value);
    if (!isFitting || (typeof value === 'number' && !Number.isSafeInteger(value))) return undefined;
    found[name] = value;
  }
  return asciiJson(values) === text ? (found as unknown as ShortRecord) : undefined;
}
