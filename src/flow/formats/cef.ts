import { memberOf, textOf } from '../shipper/spool-item.ts';
import type { FlowRecord } from '../shipper/spool-item.ts';

/**
 * ArcSight Common Event Format, version 0 (implementation standard 25): a header of seven fields that `|` separates, and an
 * extension of `key=value` pairs. docs/sinks.md has the table of keys.
 */
type Source = readonly string[] | ((record: FlowRecord) => string | undefined);

const at = (...path: readonly string[]): readonly string[] => path;
const postern = (...path: readonly string[]): readonly string[] => ['unmapped', 'postern', ...path];

/** Of what a record says, the first that is there. */
const extension: readonly (readonly [key: string, ...sources: readonly Source[]])[] = [
  ['rt', at('metadata', 'logged_time'), at('time')],
  ['start', at('start_time'), at('time')],
  ['end', at('end_time')],
  ['externalId', at('metadata', 'uid')],
  ['cat', at('class_name')],
  ['act', at('action')],
  ['outcome', outcomeOf],
  ['reason', at('status_code')],
  ['msg', at('message'), at('status_detail')],
  ['dvchost', postern('gateway')],
  ['src', at('src_endpoint', 'ip')],
  ['spt', at('src_endpoint', 'port')],
  ['suser', at('actor', 'user', 'name'), at('user', 'name')],
  ['dst', at('dst_endpoint', 'ip')],
  ['dpt', at('dst_endpoint', 'port')],
  ['dhost', at('dst_endpoint', 'hostname')],
  ['destinationServiceName', at('dst_endpoint', 'svc_name')],
  ['proto', ({ connection_info: info }) => textOf(info, 'protocol_name')?.toUpperCase()],
  // Inbound is what flows from source to destination, and OCSF's `bytes_out` what the source sent.
  ['in', at('traffic', 'bytes_out')],
  ['out', at('traffic', 'bytes_in')],
  ['requestMethod', at('http_request', 'http_method')],
  ['request', requestUrl],
  ['requestClientApplication', at('http_request', 'user_agent')],
  ['cn1', at('metadata', 'sequence')],
  ['cn2', postern('worker')],
  ['cn3', at('http_response', 'code')],
  ['cs1', at('policy', 'name')],
  ['cs2', postern('device')],
  ['cs3', postern('network')],
  ['cs4', at('metadata', 'correlation_uid')],
  ['cs5', postern('boot')],
  ['cs6', ({ unmapped }) => gapText(memberOf(unmapped, 'postern', 'gap'))],
];

const labels: Readonly<Record<string, string>> = {
  cn1: 'Sequence',
  cn2: 'Worker',
  cn3: 'HttpStatus',
  cs1: 'Policy',
  cs2: 'Device',
  cs3: 'PrivateNetwork',
  cs4: 'FlowId',
  cs5: 'Boot',
  cs6: 'MissingRecords',
};

/** From OCSF's `severity_id` to CEF's 0 to 10. */
const severities: Readonly<Record<string, number>> = { '1': 1, '2': 3, '3': 6, '4': 8, '5': 10, '6': 10 };

/** A record as one line of CEF; what it does not know of a record it leaves out. */
export function formatCef(record: FlowRecord): string {
  const header = [
    'CEF:0',
    textOf(record, 'metadata', 'product', 'vendor_name') ?? 'Postern',
    textOf(record, 'metadata', 'product', 'name') ?? 'Postern',
    textOf(record, 'metadata', 'product', 'version') ?? '',
    textOf(record, 'type_uid') ?? '0',
    `${textOf(record, 'class_name') ?? 'Record'}: ${textOf(record, 'activity_name') ?? 'Other'}`,
    String(severities[textOf(record, 'severity_id') ?? ''] ?? 0),
  ];
  const pairs = extension.flatMap(([key, ...sources]) => {
    const value = firstOf(record, sources);
    if (value === undefined || value === '') return [];
    const label = labels[key];
    return [`${key}=${escapeValue(value)}`, ...(label === undefined ? [] : [`${key}Label=${label}`])];
  });
  return `${header.map((field, index) => (index === 0 ? field : escapeHeader(field))).join('|')}|${pairs.join(' ')}`;
}

function firstOf(record: FlowRecord, sources: readonly Source[]): string | undefined {
  for (const source of sources) {
    const value = typeof source === 'function' ? source(record) : textOf(record, ...source);
    if (value !== undefined) return value;
  }
  return undefined;
}

/** Of a finding the status is how far someone has looked into it. */
function outcomeOf({ class_uid: classUid, status_id: status }: FlowRecord): string | undefined {
  if (classUid === 2004) return undefined;
  return status === 1 ? 'success' : status === 2 ? 'failure' : undefined;
}

function requestUrl(record: FlowRecord): string | undefined {
  const url = memberOf(record, 'http_request', 'url');
  const [scheme, host, port, path] = ['scheme', 'hostname', 'port', 'path'].map((key) => textOf(url, key));
  if (host === undefined) return path ?? textOf(record, 'url', 'url_string');
  return `${scheme === undefined ? '' : `${scheme}://`}${host}${port === undefined ? '' : `:${port}`}${path ?? ''}`;
}

function gapText(gap: unknown): string | undefined {
  const from = textOf(gap, 'from');
  return from === undefined ? undefined : `${from}-${textOf(gap, 'to') ?? ''}`;
}

/** A backslash and a bar are escaped; a header has no line breaks. */
const escapeHeader = (text: string): string => plain(text).replaceAll(/[\\|]/g, (found) => `\\${found}`);

/** A backslash and an equals sign are escaped, and line breaks written as `\n` and `\r`; a bar needs nothing here. */
const escapeValue = (text: string): string =>
  plain(
    text
      .replaceAll(/[\\=]/g, (found) => `\\${found}`)
      .replaceAll('\n', '\\n')
      .replaceAll('\r', '\\r'),
  );

/** Without what some readers take for the end of a line, and others for a command to their terminal. */
const plain = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.toWellFormed().replaceAll(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/g, ' ');
