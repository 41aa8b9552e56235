import { memberOf, textOf } from '../shipper/spool-item.ts';
import type { FlowRecord } from '../shipper/spool-item.ts';

/** What a column holds: epoch milliseconds, a whole number, a text, or several. */
export type ColumnKind = 'time' | 'integer' | 'text' | 'texts';

interface Column<Kind extends ColumnKind> {
  readonly kind: Kind;
  readonly description: string;
  readonly of: (record: FlowRecord) => ValueOf<Kind>;
}
type ValueOf<Kind extends ColumnKind> = Kind extends 'text'
  ? string | null
  : Kind extends 'texts'
    ? readonly string[]
    : number | null;

const postern = ['unmapped', 'postern'] as const;
type Path = readonly string[];

const numberAt = (record: FlowRecord, path: Path): number | null => {
  const value = memberOf(record, ...path);
  return typeof value === 'number' && Number.isFinite(value) ? Math.trunc(value) : null;
};
const textAt = (record: FlowRecord, ...paths: readonly Path[]): string | null => {
  for (const path of paths) {
    const value = textOf(record, ...path);
    if (value !== undefined) return value;
  }
  return null;
};
const textsAt = (record: FlowRecord, path: Path): readonly string[] => {
  const value = memberOf(record, ...path);
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
};

const time = (description: string, ...path: Path): Column<'time'> => ({
  kind: 'time',
  description,
  of: (record) => numberAt(record, path),
});
const integer = (description: string, ...path: Path): Column<'integer'> => ({
  kind: 'integer',
  description,
  of: (record) => numberAt(record, path),
});
const text = (description: string, ...paths: readonly Path[]): Column<'text'> => ({
  kind: 'text',
  description,
  of: (record) => textAt(record, ...paths),
});
const texts = (description: string, ...path: Path): Column<'texts'> => ({
  kind: 'texts',
  description,
  of: (record) => textsAt(record, path),
});

/** Of a flow, its own: nobody, where nobody was known. Of what has no flow, whoever did it or whom it is about. */
function userOf(record: FlowRecord): string | null {
  const flow = memberOf(record, ...postern);
  if (typeof flow === 'object' && flow !== null && 'user' in flow && flow.user !== null)
    return typeof flow.user === 'string' ? flow.user : null;
  if (memberOf(record, ...postern, 'flow') !== undefined) return null;
  return textAt(record, ['actor', 'user', 'name'], ['user', 'name']);
}

const verdicts: Readonly<Record<number, string>> = { 1: 'allowed', 2: 'denied' };

/** `10.0.0.2:8080`: where a flow really went. */
function upstreamOf(record: FlowRecord): string | null {
  const address = textAt(record, [...postern, 'upstream', 'address']);
  const port = textAt(record, [...postern, 'upstream', 'port']);
  if (address === null || port === null) return null;
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

/**
 * What people search records by, beside the record itself: the columns of the archive's Parquet files, of rows over the
 * API, and of the table in ClickHouse, in this order. A column is added at the end, and none is ever given another meaning:
 * files are kept for years.
 */
export const columns = {
  time: time('when it happened', 'time'),
  loggedTime: time('when it was recorded', 'metadata', 'logged_time'),
  uid: text('of the record', ['metadata', 'uid']),
  class: integer('OCSF class', 'class_uid'),
  activity: text('what of that class', ['activity_name']),
  severity: integer('OCSF severity, 1 informational to 5 critical', 'severity_id'),
  verdict: {
    kind: 'text',
    description: '`allowed` or `denied`; null for what was not judged',
    of: (record) => verdicts[numberAt(record, ['action_id']) ?? 0] ?? null,
  },
  user: { kind: 'text', description: 'who; null where nobody is known, and for machines', of: userOf },
  device: text('id of the device', [...postern, 'device'], ['device', 'uid']),
  app: text('application', [...postern, 'app'], ['app_name']),
  network: text('its private network', [...postern, 'network']),
  host: text('name that was asked for', ['dst_endpoint', 'hostname'], ['url', 'hostname']),
  upstream: { kind: 'text', description: 'address and port that was dialled', of: upstreamOf },
  method: text('method of the request', ['http_request', 'http_method'], [...postern, 'method']),
  path: text('its path, without the query', ['http_request', 'url', 'path'], [...postern, 'path']),
  httpStatus: {
    kind: 'integer',
    description: 'status that the client was given',
    of: (record) =>
      numberAt(record, ['http_response', 'code']) ?? numberAt(record, [...postern, 'httpStatus']),
  },
  decision: text('what policies said: allow, deny, challenge', [...postern, 'decision']),
  reasons: texts('why, in stable words', ...postern, 'reasons'),
  policies: texts('policies that decided', ...postern, 'policies'),
  policyVersion: text('version of all policies together', [...postern, 'policyVersion']),
  refusal: text('code of the refusal', [...postern, 'refusal']),
  endedBy: text('which side ended it', [...postern, 'endedBy']),
  bytesIn: {
    kind: 'integer',
    description: 'bytes from the client',
    of: (record) => numberAt(record, ['traffic', 'bytes_out']) ?? numberAt(record, [...postern, 'bytesIn']),
  },
  bytesOut: {
    kind: 'integer',
    description: 'bytes to the client',
    of: (record) => numberAt(record, ['traffic', 'bytes_in']) ?? numberAt(record, [...postern, 'bytesOut']),
  },
  durationMs: integer('how long it took', 'duration'),
  flow: text('id of the flow', [...postern, 'flow']),
  parent: text('flow that carried it', [...postern, 'parent']),
  connection: text('id of the TLS connection', [...postern, 'connection']),
  source: text('address that it came from', ['src_endpoint', 'ip']),
  postureAgeSeconds: integer('age of the posture that was decided on', ...postern, 'postureAgeSeconds'),
  what: text(
    'what was found, changed or read, where it is no flow',
    ['finding_info', 'title'],
    ['api', 'operation'],
    [...postern, 'event'],
  ),
  gateway: text('gateway that recorded it', [...postern, 'gateway']),
  boot: text('run of the server', [...postern, 'boot']),
  worker: integer('number of the worker; 0 is the control process', ...postern, 'worker'),
  workerStartedAt: time('when that worker began its chain', ...postern, 'workerStartedAt'),
  sequence: integer('number in that chain', 'metadata', 'sequence'),
} as const satisfies Readonly<
  Record<string, Column<'time'> | Column<'integer'> | Column<'text'> | Column<'texts'>>
>;

export type ColumnName = keyof typeof columns;
export const columnNames = Object.keys(columns) as readonly ColumnName[];

/** A record as it is searched. */
export type FlowRow = { readonly [Name in ColumnName]: ReturnType<(typeof columns)[Name]['of']> };

export const rowOf = (record: FlowRecord): FlowRow =>
  Object.fromEntries(columnNames.map((name) => [name, columns[name].of(record)])) as FlowRow;
