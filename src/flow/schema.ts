import { Type } from 'typebox';
import type { Static, TProperties, TObject } from 'typebox';
import { inspectors, uninspectedReasons } from '../domain/inspection.ts';
import { postureCriteria } from '../domain/posture.ts';
import { findingLimits } from './detection-finding.ts';
import { foundLimits } from './inspection.ts';
import { textLimits } from './safe-text.ts';

/**
 * Flow records exactly as this version writes them: a narrower contract than OCSF, for those who read them. Members that
 * are always there are required, whether the flow was allowed or denied; what is unknown in `unmapped.postern` is null.
 */
const strict = { additionalProperties: false } as const;
const object = <Properties extends TProperties>(properties: Properties): TObject<Properties> =>
  Type.Object(properties, strict);
const text = (maxLength: number) => Type.String({ maxLength });
const orNull = <Schema extends Type.TSchema>(schema: Schema) => Type.Union([schema, Type.Null()]);
const EpochMs = Type.Integer({ minimum: 0, description: 'epoch milliseconds' });
const Bytes = Type.Integer({ minimum: 0, description: 'bytes' });
const Port = Type.Integer({ minimum: 0, maximum: 65_535 });
const Host = text(textLimits.host);
const Sha256Hex = Type.String({ pattern: '^[0-9a-f]{64}$' });

const User = object({
  name: Host,
  uid: Type.Optional(Host),
  type: Type.Enum(['User', 'Service', 'Unknown']),
  type_id: Type.Union([Type.Literal(0), Type.Literal(1), Type.Literal(4)]),
});
const Session = object({ uid: Host, created_time: EpochMs, expiration_time: EpochMs });
const Device = object({
  uid: Type.Optional(Host),
  name: Type.Optional(Type.Literal('unknown')),
  ip: Type.Optional(Type.String()),
  type: Type.Enum(['Laptop', 'IOT', 'Unknown']),
  type_id: Type.Union([Type.Literal(0), Type.Literal(3), Type.Literal(7)]),
  os: Type.Optional(
    object({
      name: text(64),
      type_id: Type.Integer(),
      version: text(64),
      kernel_release: Type.Optional(text(128)),
    }),
  ),
  agent_list: Type.Optional(
    Type.Array(object({ name: Type.Literal('postern-agent'), version: text(64) }), { maxItems: 1 }),
  ),
});
const Certificate = object({
  serial_number: text(textLimits.serial),
  issuer: text(textLimits.certificateName),
  subject: Type.Optional(text(textLimits.certificateName)),
  created_time: EpochMs,
  expiration_time: EpochMs,
  fingerprints: Type.Array(
    object({ algorithm: Type.Literal('SHA-256'), algorithm_id: Type.Literal(3), value: text(64) }),
    { minItems: 1, maxItems: 1 },
  ),
});
const Endpoint = object({
  ip: Type.Optional(Type.String()),
  name: Type.Optional(Type.Literal('unknown')),
  hostname: Type.Optional(Host),
  port: Type.Optional(Port),
  svc_name: Type.Optional(Type.String()),
  zone: Type.Optional(Type.String({ description: 'private network' })),
});
const Url = object({
  hostname: Type.Optional(Host),
  port: Type.Optional(Port),
  scheme: Type.Optional(Type.Enum(['http', 'https'])),
  path: Type.Optional(Type.String({ maxLength: textLimits.path, pattern: '^[^?#]*$' })),
  url_string: Type.Optional(text(textLimits.host + 6)),
});
const HttpRequest = object({
  http_method: Type.Optional(Type.String()),
  version: Type.Optional(Type.Enum(['1.0', '1.1', '2.0'])),
  user_agent: Type.Optional(text(textLimits.userAgent)),
  url: Url,
});
const HttpResponse = object({ code: Type.Integer({ minimum: 100, maximum: 599 }) });
const trafficMembers = { bytes: Bytes, bytes_in: Bytes, bytes_out: Bytes };
const Traffic = object(trafficMembers);
/** Of a tunnel that goes on: since its last record, with from when to when that was. */
const PartialTraffic = object({
  ...trafficMembers,
  start_time: Type.Optional(EpochMs),
  end_time: Type.Optional(EpochMs),
});
const PolicyReference = object({ name: Type.String(), version: Type.String() });

/** What OCSF has no attribute for, and what the SOC searches by. The same for every class and every outcome. */
const postern = {
  flow: Type.String(),
  parent: orNull(Type.String()),
  connection: Type.String(),
  alpn: orNull(Type.String()),
  gateway: Type.String(),
  boot: Type.String(),
  worker: Type.Integer(),
  workerStartedAt: EpochMs,
  user: orNull(Host),
  device: orNull(Type.String()),
  certificateSerial: orNull(text(textLimits.serial)),
  posture: orNull(
    object({
      measuredAt: Type.Integer({ description: 'epoch seconds' }),
      ...Object.fromEntries(
        postureCriteria.map((criterion) => [
          criterion,
          Type.Union([Type.Boolean(), Type.Literal('unknown')]),
        ]),
      ),
    }),
  ),
  postureAgeSeconds: orNull(Type.Integer({ minimum: 0 })),
  /** What the identity provider said that groups may refer to; null also where it is more than is kept. */
  claims: orNull(Type.Record(Type.String(), Type.Array(Type.String()))),
  signIn: orNull(object({ at: Type.Integer({ description: 'epoch seconds' }), mfa: Type.Boolean() })),
  app: orNull(Type.String()),
  network: orNull(Type.String()),
  upstream: orNull(object({ network: Type.String(), address: Type.String(), port: Port })),
  decision: orNull(Type.Enum(['allow', 'deny', 'challenge'])),
  policyVersion: orNull(Type.String()),
  policies: Type.Array(Type.String()),
  shadow: orNull(
    object(
      Object.fromEntries(
        ['evaluated', 'wouldAllow', 'wouldDeny', 'wouldChallenge', 'failed'].map((word) => [
          word,
          Type.Array(Type.String({ description: 'shadow policy' })),
        ]),
      ),
    ),
  ),
  reasons: Type.Array(Type.String()),
  refusal: orNull(text(64)),
  endedBy: orNull(Type.Enum(['client', 'upstream', 'gateway'])),
  inspection: object(
    Object.fromEntries(
      inspectors.map((inspector) => [
        inspector,
        object({
          state: Type.Enum(['done', 'partly', 'not-done']),
          why: Type.Optional(Type.Enum(uninspectedReasons)),
          found: Type.Optional(
            Type.Array(text(foundLimits.length), { minItems: 1, maxItems: foundLimits.names }),
          ),
          score: Type.Optional(Type.Integer({ minimum: 0, description: 'what was found, weighed' })),
          threshold: Type.Optional(
            Type.Integer({ minimum: 1, description: 'score from which on a request counts as an attack' }),
          ),
          messages: Type.Optional(
            Type.Array(text(foundLimits.messageLength), { minItems: 1, maxItems: foundLimits.messages }),
          ),
        }),
      ]),
    ),
  ),
  truncated: Type.Array(Type.Enum(['method', 'authority', 'path', 'userAgent'])),
  lost: Type.Integer({ minimum: 0, description: 'records given up before this one' }),
  previous: Sha256Hex,
};

const common = {
  time: EpochMs,
  start_time: EpochMs,
  end_time: Type.Optional(EpochMs),
  duration: Type.Optional(Type.Integer({ minimum: 0, description: 'milliseconds' })),
  severity_id: Type.Integer({ minimum: 1, maximum: 5 }),
  status_id: Type.Union([Type.Literal(1), Type.Literal(2)]),
  status_code: Type.Optional(Type.String({ description: 'refusal code' })),
  status_detail: Type.Optional(text(textLimits.detail)),
  action_id: Type.Union([Type.Literal(1), Type.Literal(2)]),
  action: Type.Enum(['Allowed', 'Denied']),
  disposition_id: Type.Integer(),
  disposition: Type.String(),
  activity_id: Type.Integer(),
  activity_name: Type.String(),
  type_uid: Type.Integer(),
  metadata: object({
    version: Type.Literal('1.8.0'),
    product: object({
      name: Type.Literal('Postern'),
      vendor_name: Type.Literal('Postern'),
      version: Type.String(),
    }),
    tenant_uid: Type.String({ description: 'domain' }),
    profiles: Type.Array(Type.String()),
    uid: Type.String({
      pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
    }),
    sequence: Type.Integer({ minimum: 1 }),
    logged_time: EpochMs,
    correlation_uid: Type.String({ description: 'flow id' }),
    is_truncated: Type.Optional(Type.Literal(true)),
  }),
  device: Device,
  src_endpoint: Endpoint,
  dst_endpoint: Endpoint,
  policy: Type.Optional(PolicyReference),
  authorizations: Type.Array(
    object({
      decision: Type.Enum(['allow', 'deny', 'challenge', 'none']),
      policy: Type.Optional(PolicyReference),
    }),
    { minItems: 1 },
  ),
};

const network = {
  ...common,
  category_uid: Type.Literal(4),
  app_name: Type.Optional(Type.String()),
  /** Of a machine without a user: its session alone. */
  actor: object({ user: Type.Optional(User), session: Type.Optional(Session) }),
  proxy_endpoint: Endpoint,
  connection_info: object({
    uid: Type.String(),
    direction_id: Type.Literal(1),
    direction: Type.Literal('Inbound'),
    protocol_name: Type.Union([Type.Literal('tcp'), Type.Literal('udp')]),
    protocol_num: Type.Union([Type.Literal(6), Type.Literal(17)]),
    protocol_ver_id: Type.Union([Type.Literal(4), Type.Literal(6)]),
  }),
  tls: Type.Optional(
    object({
      version: Type.String(),
      cipher: Type.String(),
      sni: Type.Optional(Host),
      certificate: Type.Optional(Certificate),
    }),
  ),
};

export const HttpActivityRecord = object({
  ...network,
  class_uid: Type.Literal(4002),
  class_name: Type.Literal('HTTP Activity'),
  http_request: HttpRequest,
  http_response: Type.Optional(HttpResponse),
  traffic: Traffic,
  unmapped: object({ postern: object(postern) }),
});
export type HttpActivityRecord = Static<typeof HttpActivityRecord>;

export const NetworkActivityRecord = object({
  ...network,
  class_uid: Type.Literal(4001),
  class_name: Type.Literal('Network Activity'),
  url: Type.Optional(Url),
  traffic: Type.Optional(PartialTraffic),
  cumulative_traffic: Type.Optional(Traffic),
  unmapped: object({
    postern: object({
      ...postern,
      method: orNull(text(textLimits.method)),
      path: orNull(Type.String({ maxLength: textLimits.path, pattern: '^[^?#]*$' })),
      userAgent: orNull(text(textLimits.userAgent)),
      httpStatus: orNull(Type.Integer()),
    }),
  }),
});
export type NetworkActivityRecord = Static<typeof NetworkActivityRecord>;

export const TunnelActivityRecord = object({
  ...network,
  class_uid: Type.Literal(4014),
  class_name: Type.Literal('Tunnel Activity'),
  tunnel_type_id: Type.Literal(1),
  tunnel_type: Type.Literal('Split Tunnel'),
  protocol_name: Type.Literal('HTTP/2 over TLS'),
  user: User,
  session: Type.Optional(Session),
  traffic: Type.Optional(Traffic),
  unmapped: object({ postern: object(postern) }),
});
export type TunnelActivityRecord = Static<typeof TunnelActivityRecord>;

export const AuthenticationRecord = object({
  ...common,
  category_uid: Type.Literal(3),
  class_uid: Type.Literal(3002),
  class_name: Type.Literal('Authentication'),
  user: User,
  session: Type.Optional(Session),
  service: object({ name: Type.Literal('postern-gateway') }),
  auth_protocol_id: Type.Literal(99),
  auth_protocol: Type.String(),
  logon_type_id: Type.Literal(3),
  logon_type: Type.Literal('Network'),
  is_remote: Type.Literal(true),
  is_cleartext: Type.Literal(false),
  certificate: Type.Optional(Certificate),
  http_request: Type.Optional(HttpRequest),
  http_response: Type.Optional(HttpResponse),
  unmapped: object({
    postern: object({
      ...postern,
      step: Type.Enum(['handshake', 'token']),
      tls: orNull(object({ version: Type.String(), cipher: Type.String(), serverName: orNull(Host) })),
      bytesIn: Bytes,
      bytesOut: Bytes,
    }),
  }),
});
export type AuthenticationRecord = Static<typeof AuthenticationRecord>;

const service = {
  time: EpochMs,
  severity_id: common.severity_id,
  status_id: Type.Union([Type.Literal(1), Type.Literal(4)]),
  activity_id: Type.Integer(),
  activity_name: Type.String(),
  type_uid: Type.Integer(),
  metadata: common.metadata,
};
const servicePostern = {
  gateway: postern.gateway,
  boot: postern.boot,
  worker: postern.worker,
  workerStartedAt: postern.workerStartedAt,
  lost: postern.lost,
  previous: postern.previous,
};

export const DetectionFindingRecord = object({
  ...service,
  category_uid: Type.Literal(2),
  class_uid: Type.Literal(2004),
  class_name: Type.Literal('Detection Finding'),
  finding_info: object({
    uid: text(64),
    title: Host,
    desc: text(textLimits.detail),
    analytic: object({
      type_id: Type.Literal(1),
      type: Type.Literal('Rule'),
      name: text(64),
      uid: text(64),
    }),
    first_seen_time: EpochMs,
    last_seen_time: EpochMs,
    related_events: Type.Optional(
      Type.Array(object({ uid: text(64), type: Type.Literal('flow') }), { maxItems: findingLimits.flows }),
    ),
    related_events_count: Type.Optional(Type.Integer({ minimum: 1 })),
  }),
  is_alert: Type.Literal(true),
  actor: Type.Optional(
    object({ user: object({ name: Host, type: Type.Literal('User'), type_id: Type.Literal(1) }) }),
  ),
  device: Type.Optional(object({ uid: Host, type: Type.Literal('Laptop'), type_id: Type.Literal(3) })),
  unmapped: object({
    postern: object({
      ...servicePostern,
      rule: text(64),
      user: orNull(Host),
      device: orNull(Host),
      app: orNull(Host),
      flows: Type.Array(text(64), { maxItems: findingLimits.flows }),
      flowCount: Type.Integer({ minimum: 0 }),
      counts: Type.Record(text(64), Type.Number()),
    }),
  }),
});
export type DetectionFindingRecord = Static<typeof DetectionFindingRecord>;

export const HeartbeatRecord = object({
  ...service,
  category_uid: Type.Literal(3),
  class_uid: Type.Literal(3004),
  class_name: Type.Literal('Entity Management'),
  entity: object({ name: Type.String(), type_id: Type.Literal(99), type: Type.Literal('Flow Record Chain') }),
  unmapped: object({
    postern: object({
      ...servicePostern,
      spool: object({
        waiting: Type.Integer({ minimum: 0 }),
        bytes: Bytes,
        freeBytes: Bytes,
      }),
      sinks: Type.Array(
        object({
          name: text(64),
          records: Type.Integer({ minimum: 0 }),
          seconds: Type.Number({ minimum: 0 }),
        }),
      ),
      clock: object({
        offsetMs: orNull(Type.Integer()),
        against: orNull(Type.Enum(['redis', 'chrony'])),
      }),
    }),
  }),
});
export type HeartbeatRecord = Static<typeof HeartbeatRecord>;

export const flowRecordSchemas = {
  2004: DetectionFindingRecord,
  3004: HeartbeatRecord,
  4001: NetworkActivityRecord,
  4002: HttpActivityRecord,
  4014: TunnelActivityRecord,
  3002: AuthenticationRecord,
} as const;
