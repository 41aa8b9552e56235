import { flowClassNames } from '../../contract/flow-search.ts';
import type { FlowCount, FlowView, SummaryColumn } from '../../contract/flow-search.ts';
import type { FlowRow } from '../archive/columns.ts';

/** What a record must be to be found. What is not said matches all. */
export interface FlowFilter {
  readonly user?: string;
  /** Any of them: what records call one person. */
  readonly users?: readonly string[];
  readonly device?: string;
  readonly app?: string;
  readonly network?: string;
  readonly verdict?: 'allowed' | 'denied';
  /** One of its reasons, or its refusal. */
  readonly reason?: string;
  /** The flow, or what it carried. */
  readonly flow?: string;
  /** OCSF. */
  readonly class?: number;
}

/** What is asked for, in words: of a command's options, or of a query of the API. */
export interface FlowFilterWords extends Omit<FlowFilter, 'users' | 'class'> {
  readonly class?: string;
}

/** Whatever else is in there is not looked at. */
export function readFlowFilter(query: FlowFilterWords): FlowFilter {
  const { user, device, app, network, verdict, reason, flow, class: classUid } = query;
  return {
    ...(user === undefined ? {} : { user }),
    ...(device === undefined ? {} : { device }),
    ...(app === undefined ? {} : { app }),
    ...(network === undefined ? {} : { network }),
    ...(verdict === undefined ? {} : { verdict }),
    ...(reason === undefined ? {} : { reason }),
    ...(flow === undefined ? {} : { flow }),
    ...(classUid === undefined ? {} : { class: Number(classUid) }),
  };
}

/** Behind a record that was shown last: newest first, and by `uid` where several happened at once. */
export interface FlowPlace {
  readonly time: number;
  readonly uid: string;
}

interface Asked {
  /** Name of a sink of type `s3`: its object storage, instead of this server's archive and spool. */
  readonly from?: string;
  readonly filter: FlowFilter;
  /** Not what was recorded under this number, such as the control process's: another is asked for that. */
  readonly exceptWorker?: number;
  /** Epoch milliseconds; `until` is not in it. */
  readonly since: number;
  readonly until: number;
  readonly limit: number;
}

/** Rows, the newest first; or how often combinations of columns were there, the most frequent first. */
export type FlowQuery =
  | (Asked & { readonly kind: 'rows'; readonly after?: FlowPlace; readonly whole: boolean })
  | (Asked & { readonly kind: 'counts'; readonly by: readonly SummaryColumn[] });

export type FlowAnswer =
  | { readonly kind: 'rows'; readonly rows: readonly FlowView[] }
  | { readonly kind: 'counts'; readonly counts: readonly FlowCount[] };

export type FlowMatch = (row: FlowRow) => boolean;

/** The same that the archive is asked, for records that are not there: as they come, or at the end of the spool. */
export function createFlowMatch(filter: FlowFilter): FlowMatch {
  const { reason, flow, users, ...equal } = filter;
  const entries = Object.entries(equal) as readonly [keyof typeof equal, string | number][];
  return (row) =>
    entries.every(([name, value]) => row[name] === value) &&
    (users === undefined || (row.user !== null && users.includes(row.user))) &&
    (reason === undefined || row.refusal === reason || row.reasons.includes(reason)) &&
    (flow === undefined || row.flow === flow || row.parent === flow);
}

export const isAskedFor = (
  { time, worker }: FlowRow,
  { since, until, exceptWorker }: Pick<Asked, 'since' | 'until' | 'exceptWorker'>,
): boolean =>
  time !== null && time >= since && time < until && (exceptWorker === undefined || worker !== exceptWorker);

/** A tunnel is one access, with more than one record; its last has the bytes of all. */
export const uncountedActivities: ReadonlySet<string> = new Set(['Traffic', 'Close']);
export const unsummedActivities: ReadonlySet<string> = new Set(['Traffic']);

/** Of a tunnel that was let in. */
export const tunnelActivities: ReadonlySet<string> = new Set(['Open', 'Traffic', 'Close']);

/** It dialled nothing: a tunnel that carries requests to an application of HTTP. What they are and bring is in records of their own. */
export const isCarrier = (row: Pick<FlowRow, 'class' | 'activity' | 'upstream'>): boolean =>
  row.class === flowClassNames.tunnel && row.upstream === null && tunnelActivities.has(row.activity ?? '');

export function isBefore(row: Pick<FlowRow, 'time' | 'uid'>, place: FlowPlace): boolean {
  const time = row.time ?? 0;
  return time < place.time || (time === place.time && (row.uid ?? '') < place.uid);
}

export const newestFirst = (
  one: Pick<FlowRow, 'time' | 'uid'>,
  other: Pick<FlowRow, 'time' | 'uid'>,
): number => (other.time ?? 0) - (one.time ?? 0) || ((other.uid ?? '') < (one.uid ?? '') ? -1 : 1);
