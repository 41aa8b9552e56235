import { asciiJson } from '../record/safe-text.ts';
import { memberOf, textOf } from '../shipper/spool-item.ts';
import type { FlowRecord } from '../shipper/spool-item.ts';

/** Elastic Common Schema; docs/sinks.md has the table of fields. */
export const ecsVersion = '8.17.0';

interface Kind {
  readonly dataset: string;
  readonly category: readonly string[];
  readonly type: readonly string[];
}

/** By OCSF class. One that is not here is still an event, with all that it says under `postern`. */
const kinds: Readonly<Record<string, Kind>> = {
  '2004': { dataset: 'postern.finding', category: ['intrusion_detection'], type: ['info'] },
  '3002': { dataset: 'postern.authentication', category: ['authentication'], type: ['start'] },
  '3004': { dataset: 'postern.entity', category: ['configuration'], type: ['change'] },
  '4001': { dataset: 'postern.network', category: ['network'], type: ['connection'] },
  '4002': { dataset: 'postern.http', category: ['network', 'web'], type: ['access'] },
  '4014': { dataset: 'postern.tunnel', category: ['network', 'session'], type: ['info'] },
  '6003': { dataset: 'postern.api', category: ['api'], type: ['access'] },
};
const unknownKind: Kind = { dataset: 'postern.other', category: [], type: ['info'] };

/** A record as one document of ECS on one line of ASCII JSON. */
export const formatEcs = (record: FlowRecord): string => asciiJson(toEcs(record));

/** @returns a document with no empty object, list or text in it */
export function toEcs(record: FlowRecord): object {
  const text = (...path: readonly string[]): string | undefined => textOf(record, ...path);
  const number = (...path: readonly string[]): number | undefined => {
    const value = memberOf(record, ...path);
    return typeof value === 'number' ? value : undefined;
  };
  const kind = kinds[text('class_uid') ?? ''] ?? unknownKind;
  const user = {
    name: text('actor', 'user', 'name') ?? text('user', 'name'),
    id: text('actor', 'user', 'uid') ?? text('user', 'uid'),
  };
  const source = text('src_endpoint', 'ip');
  const destination = text('dst_endpoint', 'ip');
  const domain = text('dst_endpoint', 'hostname');
  return pruned({
    '@timestamp': isoTime(record['time']),
    ecs: { version: ecsVersion },
    message: text('message') ?? text('status_detail'),
    event: {
      kind: record['class_uid'] === 2004 ? 'alert' : 'event',
      module: 'postern',
      dataset: kind.dataset,
      category: kind.category,
      type: typesOf(kind, record),
      action: text('activity_name')?.toLowerCase(),
      outcome: outcomeOf(record),
      code: text('type_uid'),
      reason: text('status_detail') ?? text('message'),
      id: text('metadata', 'uid'),
      sequence: number('metadata', 'sequence'),
      severity: number('severity_id'),
      created: isoTime(memberOf(record, 'metadata', 'logged_time')),
      start: isoTime(record['start_time']),
      end: isoTime(record['end_time']),
      // ECS counts nanoseconds.
      duration: scaled(number('duration'), 1_000_000),
    },
    observer: {
      vendor: text('metadata', 'product', 'vendor_name'),
      product: text('metadata', 'product', 'name'),
      version: text('metadata', 'product', 'version'),
      type: 'proxy',
      hostname: text('unmapped', 'postern', 'gateway'),
    },
    organization: { id: text('metadata', 'tenant_uid') },
    user,
    host: {
      id: text('device', 'uid'),
      ip: listOf(text('device', 'ip')),
      type: text('device', 'type')?.toLowerCase(),
      os: {
        family: text('device', 'os', 'name'),
        version: text('device', 'os', 'version'),
        kernel: text('device', 'os', 'kernel_release'),
      },
    },
    // OCSF's `bytes_out` is what the source sent.
    source: { ip: source, port: number('src_endpoint', 'port'), bytes: number('traffic', 'bytes_out') },
    destination: {
      ip: destination,
      port: number('dst_endpoint', 'port'),
      domain,
      bytes: number('traffic', 'bytes_in'),
    },
    network: {
      transport: text('connection_info', 'protocol_name'),
      application: text('dst_endpoint', 'svc_name'),
      name: text('dst_endpoint', 'zone'),
      bytes: number('traffic', 'bytes'),
      direction: text('connection_info', 'direction')?.toLowerCase(),
    },
    http: {
      version: text('http_request', 'version'),
      request: { method: text('http_request', 'http_method'), id: text('metadata', 'correlation_uid') },
      response: { status_code: number('http_response', 'code') },
    },
    url: {
      domain: text('http_request', 'url', 'hostname') ?? text('url', 'hostname'),
      port: number('http_request', 'url', 'port') ?? number('url', 'port'),
      scheme: text('http_request', 'url', 'scheme'),
      path: text('http_request', 'url', 'path'),
    },
    user_agent: { original: text('http_request', 'user_agent') },
    tls: tlsOf(record),
    rule: {
      category: text('authorizations', '0', 'decision'),
      name: text('policy', 'name'),
      version: text('policy', 'version'),
    },
    related: {
      user: listOf(user.name),
      ip: [...new Set([source, destination, text('device', 'ip')].filter((ip) => ip !== undefined))],
      hosts: listOf(domain),
    },
    postern: memberOf(record, 'unmapped', 'postern'),
    ocsf: {
      class_uid: number('class_uid'),
      class_name: text('class_name'),
      finding: memberOf(record, 'finding_info'),
    },
  }) as object;
}

function typesOf({ type }: Kind, record: FlowRecord): readonly string[] {
  const allowed = record['action_id'] === 1 ? ['allowed'] : record['action_id'] === 2 ? ['denied'] : [];
  if (record['class_uid'] === 3002) return type;
  const edge = ({ Open: 'start', Close: 'end' } as Readonly<Record<string, string>>)[
    textOf(record, 'activity_name') ?? ''
  ];
  return [...type, ...(edge === undefined ? [] : [edge]), ...allowed];
}

const outcomeOf = (record: FlowRecord): string =>
  record['class_uid'] === 2004
    ? 'unknown'
    : record['status_id'] === 1
      ? 'success'
      : record['status_id'] === 2
        ? 'failure'
        : 'unknown';

function tlsOf(record: FlowRecord): object {
  const at = (...path: readonly string[]): string | undefined =>
    textOf(record, 'tls', ...path) ?? textOf(record, 'unmapped', 'postern', 'tls', ...path);
  const certificate = memberOf(record, 'tls', 'certificate') ?? memberOf(record, 'certificate');
  const [, protocol, version] = /^(TLS|SSL)v([\d.]+)$/.exec(at('version') ?? '') ?? [];
  return {
    version,
    version_protocol: protocol?.toLowerCase(),
    cipher: at('cipher'),
    client: {
      server_name: at('sni') ?? at('serverName'),
      issuer: textOf(certificate, 'issuer'),
      subject: textOf(certificate, 'subject'),
      not_before: isoTime(memberOf(certificate, 'created_time')),
      not_after: isoTime(memberOf(certificate, 'expiration_time')),
      x509: { serial_number: textOf(certificate, 'serial_number') },
    },
  };
}

const isoTime = (value: unknown): string | undefined =>
  typeof value === 'number' && Math.abs(value) < 8.64e15 ? new Date(value).toISOString() : undefined;
const scaled = (value: number | undefined, by: number): number | undefined =>
  value === undefined ? undefined : value * by;
const listOf = (value: string | undefined): readonly string[] => (value === undefined ? [] : [value]);

/** Without what is not known: an empty member is a field of its own type to Elasticsearch. */
function pruned(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? undefined : value;
  if (typeof value !== 'object' || value === null) return value ?? undefined;
  const members = Object.entries(value).flatMap(([key, member]) => {
    const kept = pruned(member);
    return kept === undefined || kept === '' ? [] : [[key, kept] as const];
  });
  return members.length === 0 ? undefined : Object.fromEntries(members);
}
