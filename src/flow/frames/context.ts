import { hash } from 'node:crypto';
import { asciiMembers, quote } from '../record/safe-text.ts';
import { uuidV7Of } from '../record/uuid.ts';
import type { ShortRecord } from './short-record.ts';

/** A record as an object of OCSF, see schema/. Not verified. */
export type FlowRecord = Readonly<Record<string, unknown>>;

export const contextHash = (text: string): string => hash('sha256', text, 'hex');

/** What records have in common: puts a short one together with it, and is the record that a receiver sees. */
export interface ExpandedContext {
  /** One line of ASCII JSON: the same bytes for the same record, wherever and whenever it is read. */
  textOf(own: ShortRecord): string;
  recordOf(own: ShortRecord): FlowRecord;
  /** `unmapped.postern` of all its records, which says whose chain it is of. */
  readonly postern: FlowRecord;
}

const json = (text: string): string => quote(text, Number.POSITIVE_INFINITY);

type Members = Readonly<Record<string, unknown>>;

/**
 * What a short record brings along, by where it stands. A context that says one of these itself is none: the record would
 * say it twice, and two readers would read two things.
 */
const own = {
  top: ['time', 'start_time', 'end_time', 'duration', 'http_response', 'traffic'],
  metadata: ['uid', 'sequence', 'logged_time', 'correlation_uid'],
  request: [],
  url: ['path'],
  postern: ['flow', 'parent', 'postureAgeSeconds', 'endedBy', 'lost', 'context', 'batch', 'previous'],
} as const satisfies Record<string, readonly string[]>;

/**
 * Undefined for a text that is no context, or is one in another spelling: a record without what is its own must give that
 * text again, so that a receiver can hash it.
 */
export function parseContext(text: string): ExpandedContext | undefined {
  const top = objectOf(text);
  const { metadata, http_request: httpRequest, unmapped, ...head } = top ?? {};
  const { url, ...request } = membersOf(httpRequest) ?? {};
  const { postern, ...otherUnmapped } = membersOf(unmapped) ?? {};
  const parts = { top: head, metadata, request, url, postern };
  const known = {} as Record<keyof typeof parts, Members>;
  for (const [name, part] of Object.entries(parts) as [keyof typeof parts, unknown][]) {
    const members = membersOf(part);
    if (members === undefined || own[name].some((key) => Object.hasOwn(members, key))) return undefined;
    known[name] = members;
  }
  if (Object.keys(otherUnmapped).length > 0) return undefined;
  const texts = {
    top: asciiMembers(known.top),
    metadata: asciiMembers(known.metadata),
    request: asciiMembers(known.request),
    url: asciiMembers(known.url),
    postern: asciiMembers(known.postern),
  };
  const asWritten = `{${texts.top},"metadata":{${texts.metadata}},"http_request":{${texts.request},"url":{${texts.url}}},"unmapped":{"postern":{${texts.postern}}}}`;
  if (asWritten !== text) return undefined;
  return {
    postern: known.postern,
    textOf({ hash, context, sequence, loggedTime, startTime, endTime, flow, parent, path, ...own }) {
      const { status, bytesIn, bytesOut, endedBy, postureAgeSeconds, lost, batch, previous } = own;
      const id = json(flow);
      return (
        `{${texts.top},"time":${endTime},"start_time":${startTime},"end_time":${endTime}` +
        `,"duration":${Math.max(0, endTime - startTime)}` +
        `,"metadata":{${texts.metadata},"uid":"${uuidV7Of(loggedTime, hash)}","sequence":${sequence}` +
        `,"logged_time":${loggedTime},"correlation_uid":${id}}` +
        `,"http_request":{${texts.request},"url":{${texts.url},"path":${json(path)}}}` +
        `,"http_response":{"code":${status}}` +
        `,"traffic":{"bytes_in":${bytesOut},"bytes_out":${bytesIn},"bytes":${bytesIn + bytesOut}}` +
        `,"unmapped":{"postern":{"flow":${id},"parent":${parent === null ? 'null' : json(parent)},${texts.postern}` +
        `,"postureAgeSeconds":${postureAgeSeconds},"endedBy":${json(endedBy)},"lost":${lost}` +
        `,"context":${json(context)},"batch":${batch},"previous":${json(previous)}}}}`
      );
    },
    recordOf({ hash, context, sequence, loggedTime, startTime, endTime, flow, parent, path, ...own }) {
      const { status, bytesIn, bytesOut, endedBy, postureAgeSeconds, lost, batch, previous } = own;
      const uid = uuidV7Of(loggedTime, hash);
      return {
        ...known.top,
        time: endTime,
        start_time: startTime,
        end_time: endTime,
        duration: Math.max(0, endTime - startTime),
        metadata: { ...known.metadata, uid, sequence, logged_time: loggedTime, correlation_uid: flow },
        http_request: { ...known.request, url: { ...known.url, path } },
        http_response: { code: status },
        traffic: { bytes_in: bytesOut, bytes_out: bytesIn, bytes: bytesIn + bytesOut },
        unmapped: {
          postern: {
            flow,
            parent,
            ...known.postern,
            postureAgeSeconds,
            endedBy,
            lost,
            context,
            batch,
            previous,
          },
        },
      };
    },
  };
}

function objectOf(text: string): Members | undefined {
  try {
    return membersOf(JSON.parse(text));
  } catch {
    return undefined;
  }
}

/** Of an object that has any. */
const membersOf = (value: unknown): Members | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.keys(value).length > 0
    ? (value as Members)
    : undefined;
