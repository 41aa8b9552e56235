import { syslogFacilities } from '../../contract/sinks.ts';
import { textOf } from '../shipper/spool-item.ts';

export interface SyslogIdentity {
  readonly facility: keyof typeof syslogFacilities;
  /** IANA private enterprise number that our structured data stands under. */
  readonly enterpriseNumber: number;
}

/** From OCSF's `severity_id` to the numbers of RFC 5424, section 6.2.1; what has none is informational. */
const severities: Readonly<Record<string, number>> = { '1': 6, '2': 5, '3': 4, '4': 3, '5': 2, '6': 0 };

/** What a SOC searches by, without reading the message. */
const parameters: readonly (readonly [string, readonly string[]])[] = [
  ['uid', ['metadata', 'uid']],
  ['worker', ['unmapped', 'postern', 'worker']],
  ['boot', ['unmapped', 'postern', 'boot']],
  ['sequence', ['metadata', 'sequence']],
  ['flow', ['metadata', 'correlation_uid']],
  ['user', ['unmapped', 'postern', 'user']],
  ['device', ['unmapped', 'postern', 'device']],
  ['app', ['unmapped', 'postern', 'app']],
  ['action', ['action']],
  ['refusal', ['unmapped', 'postern', 'refusal']],
];

/** One message of RFC 5424, without framing. `text` has no line feed. */
export function formatSyslog(
  record: Readonly<Record<string, unknown>>,
  text: string,
  { facility, enterpriseNumber }: SyslogIdentity,
): string {
  const severity = severities[textOf(record, 'severity_id') ?? ''] ?? 6;
  const time = record['time'];
  const timestamp = typeof time === 'number' && Math.abs(time) < 8.64e15 ? new Date(time).toISOString() : '-';
  const host = headerText(textOf(record, 'unmapped', 'postern', 'gateway'), 255);
  const worker = textOf(record, 'unmapped', 'postern', 'worker');
  const processId = worker === undefined ? '-' : headerText(`worker-${worker}`, 128);
  const messageId = headerText(textOf(record, 'class_uid'), 32);
  const pairs = parameters.flatMap(([name, path]) => {
    const value = textOf(record, ...path);
    return value === undefined ? [] : [` ${name}="${escapeParameter(value)}"`];
  });
  const priority = syslogFacilities[facility] * 8 + severity;
  return `<${priority}>1 ${timestamp} ${host} postern ${processId} ${messageId} [postern@${enterpriseNumber}${pairs.join('')}] ${text}`;
}

/** Octet counting (RFC 6587, section 3.4.1; RFC 5425): the length in bytes, so that no text can end a message early. */
export function frameSyslog(message: string): Buffer {
  const bytes = Buffer.from(message, 'utf8');
  return Buffer.concat([Buffer.from(`${bytes.length} `), bytes]);
}

/** Printable ASCII without spaces, as header fields are. */
function headerText(value: string | undefined, maxLength: number): string {
  const text = (value ?? '').replaceAll(/[^\x21-\x7e]/g, '').slice(0, maxLength);
  return text === '' ? '-' : text;
}

/** RFC 5424, section 6.3.3. Line feeds and other controls become spaces: some receivers end a message at them. */
const escapeParameter = (value: string): string =>
  value
    .toWellFormed()
    // oxlint-disable-next-line no-control-regex
    .replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, ' ')
    .replaceAll(/["\\\]]/g, (found) => `\\${found}`);
