import { Type } from 'typebox';
import type { Static, TProperties } from 'typebox';
import { RedisSettings } from './redis-settings.ts';

/** `sinks` of the settings: where flow records are delivered to. Files are relative to the settings file. */
const strict = { additionalProperties: false } as const;
const FilePath = Type.String({ minLength: 1, maxLength: 4096 });
const HostName = Type.String({ pattern: '^[A-Za-z0-9:._-]{1,253}$', description: 'a name or address' });
const Port = Type.Integer({ minimum: 1, maximum: 65_535 });
const Words = Type.Array(Type.String({ minLength: 1, maxLength: 255 }), { minItems: 1, maxItems: 1000 });
const MemberPaths = Type.Array(
  Type.String({
    pattern: '^[a-z][A-Za-z0-9_]*(\\.[A-Za-z][A-Za-z0-9_]*)*$',
    description: 'a member of flow records, such as http_request.user_agent',
  }),
  { minItems: 1, maxItems: 100 },
);

/** OCSF as it is on disk, Elastic Common Schema, ArcSight Common Event Format. */
export const sinkFormats = ['ocsf', 'ecs', 'cef'] as const;
export type SinkFormat = (typeof sinkFormats)[number];

/** In the order of OCSF's `severity_id`, from 1. */
export const severityNames = ['informational', 'low', 'medium', 'high', 'critical'] as const;

/** A record passes when it fits each of them; of a list, any one. */
const SinkFilter = Type.Object(
  {
    classes: Type.Optional(
      Type.Array(Type.Enum([2004, 3002, 3004, 4001, 4002, 4014, 6003]), { minItems: 1, maxItems: 7 }),
    ),
    minimumSeverity: Type.Optional(Type.Enum(severityNames)),
    apps: Type.Optional(Words),
    networks: Type.Optional(Words),
    users: Type.Optional(Words),
    devices: Type.Optional(Words),
    /** What was refused, or failed. */
    only: Type.Optional(Type.Literal('refusals')),
  },
  strict,
);
export type SinkFilter = Static<typeof SinkFilter>;

const SinkRedaction = Type.Object(
  {
    remove: Type.Optional(MemberPaths),
    /** Text becomes `***`; anything else goes. */
    mask: Type.Optional(MemberPaths),
    /** To /24, and /48 of IPv6. */
    truncateAddresses: Type.Optional(MemberPaths),
  },
  strict,
);
export type SinkRedaction = Static<typeof SinkRedaction>;

/** What is in flight at once: it bounds the memory of a sink. */
const SinkBatch = Type.Object(
  {
    maxRecords: Type.Integer({ minimum: 1, maximum: 10_000 }),
    maxKilobytes: Type.Integer({ minimum: 64, maximum: 16_384 }),
  },
  strict,
);
export type SinkBatch = Static<typeof SinkBatch>;
export const defaultBatch: SinkBatch = { maxRecords: 1000, maxKilobytes: 1024 };

const SinkTls = Type.Object(
  {
    /** PEM, instead of the system's authorities. */
    caFile: Type.Optional(FilePath),
    /** Ours, for receivers that ask for one. */
    certificateFile: Type.Optional(FilePath),
    keyFile: Type.Optional(FilePath),
    /** In the receiver's certificate, where that is not `host`. */
    serverName: Type.Optional(HostName),
    /** Beside everything else: the receiver's certificate is one of these. */
    pinnedCertificates: Type.Optional(
      Type.Array(
        Type.String({
          pattern: '^[0-9a-f]{64}$',
          description: 'SHA-256 of the certificate, lower-case hexadecimal without colons',
        }),
        { minItems: 1, maxItems: 16 },
      ),
    ),
  },
  strict,
);
export type SinkTls = Static<typeof SinkTls>;

/** As RFC 5424, section 6.2.1 numbers them. */
export const syslogFacilities = {
  user: 1,
  daemon: 3,
  auth: 4,
  authpriv: 10,
  local0: 16,
  local1: 17,
  local2: 18,
  local3: 19,
  local4: 20,
  local5: 21,
  local6: 22,
  local7: 23,
} as const;

/** What is recorded: by workers, with what detections find in that; and by the control process, under `access/`. */
export const recordKinds = ['flows', 'access'] as const;
export type RecordKind = (typeof recordKinds)[number];

const sinkOf = <Name extends string, Properties extends TProperties>(type: Name, properties: Properties) =>
  Type.Object(
    {
      name: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$', description: 'a word' }),
      type: Type.Literal(type),
      /** Where a sink begins that never delivered: with what is recorded from its first start on, or with all there is. */
      from: Type.Enum(['now', 'beginning']),
      format: Type.Enum(sinkFormats),
      /** Only these; both without. */
      records: Type.Optional(Type.Enum(recordKinds)),
      filter: Type.Optional(SinkFilter),
      redact: Type.Optional(SinkRedaction),
      batch: Type.Optional(SinkBatch),
      ...properties,
    },
    strict,
  );

export const FileSinkSettings = sinkOf('file', {
  path: FilePath,
  rotateMegabytes: Type.Integer({ minimum: 1, maximum: 1_000_000 }),
  rotateHours: Type.Optional(Type.Integer({ minimum: 1, maximum: 8784 })),
  /** Files that were rotated away and are kept; all without. */
  keepFiles: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
});
export type FileSinkSettings = Static<typeof FileSinkSettings>;

export const SyslogSinkSettings = sinkOf('syslog', {
  host: HostName,
  port: Port,
  /** Plain TCP without it. */
  tls: Type.Optional(SinkTls),
  facility: Type.Enum(Object.keys(syslogFacilities) as (keyof typeof syslogFacilities)[]),
  /** Behind our own structured data: the organization's number at IANA. 32473, that of examples, without it. */
  enterpriseNumber: Type.Optional(Type.Integer({ minimum: 1, maximum: 4_294_967_295 })),
  /** Syslog acknowledges nothing: what was written in the seconds before a connection broke is written again. */
  resendSeconds: Type.Integer({ minimum: 1, maximum: 3600 }),
});
export type SyslogSinkSettings = Static<typeof SyslogSinkSettings>;

const HttpUrl = Type.String({
  pattern: '^https?://(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?$',
  maxLength: 500,
  description: 'https://HOST:PORT; the user and password are settings of their own',
});
const Password = Type.Object(
  { username: Type.String({ minLength: 1, maxLength: 255 }), passwordFile: FilePath },
  strict,
);
/** What all that speak HTTP have. */
const http = {
  url: HttpUrl,
  tls: Type.Optional(SinkTls),
  /** How long an answer may take. */
  timeoutSeconds: Type.Integer({ minimum: 1, maximum: 600 }),
};

/** Elasticsearch, OpenSearch, and what else has their `_bulk`. */
export const ElasticsearchSinkSettings = sinkOf('elasticsearch', {
  ...http,
  /** Index, alias or data stream. */
  index: Type.String({ pattern: '^[a-z0-9][a-z0-9._-]{0,254}$', description: 'a name in lower case' }),
  auth: Type.Optional(Type.Union([Type.Object({ apiKeyFile: FilePath }, strict), Password])),
});
export type ElasticsearchSinkSettings = Static<typeof ElasticsearchSinkSettings>;

/** Splunk's HTTP Event Collector. */
export const SplunkSinkSettings = sinkOf('splunk', {
  ...http,
  tokenFile: FilePath,
  /** Whether the token has indexer acknowledgment: without, what Splunk took and did not index yet may be lost. */
  acknowledge: Type.Boolean(),
  index: Type.Optional(Type.String({ pattern: '^[a-z0-9_][a-z0-9_-]{0,254}$' })),
  sourcetype: Type.Optional(Type.String({ pattern: '^[A-Za-z0-9:_-]{1,100}$' })),
});
export type SplunkSinkSettings = Static<typeof SplunkSinkSettings>;

/** Grafana Loki. */
export const LokiSinkSettings = sinkOf('loki', {
  ...http,
  auth: Type.Optional(Type.Union([Type.Object({ tokenFile: FilePath }, strict), Password])),
  tenant: Type.Optional(Type.String({ pattern: "^[A-Za-z0-9!_.*'()-]{1,150}$" })),
});
export type LokiSinkSettings = Static<typeof LokiSinkSettings>;

/** A stream in Redis, under the key `{PREFIX}:records`. */
export const RedisSinkSettings = sinkOf('redis', {
  redis: RedisSettings,
  /** About so many entries stay in the stream; all without it. */
  maxEntries: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000 })),
});
export type RedisSinkSettings = Static<typeof RedisSinkSettings>;

/** A stream of NATS JetStream that takes the subjects `SUBJECT.CLASS`. */
export const NatsSinkSettings = sinkOf('nats', {
  servers: Type.Array(
    Type.String({
      pattern: '^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9._-]+):[0-9]{1,5}$',
      description: 'HOST:PORT, an IPv6 address in brackets',
    }),
    { minItems: 1, maxItems: 16 },
  ),
  /** Plain TCP without it. */
  tls: Type.Optional(SinkTls),
  subject: Type.String({
    pattern: '^[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)*$',
    maxLength: 200,
    description: 'words with dots between them, such as postern.records',
  }),
  /** `credentialsFile`: as `nsc` writes it, with the JWT and seed of a user. */
  auth: Type.Optional(
    Type.Union([
      Type.Object({ tokenFile: FilePath }, strict),
      Type.Object({ credentialsFile: FilePath }, strict),
      Password,
    ]),
  ),
  /** How long an acknowledgement may take. */
  timeoutSeconds: Type.Integer({ minimum: 1, maximum: 600 }),
});
export type NatsSinkSettings = Static<typeof NatsSinkSettings>;

/** Parquet files in the data directory, for `postern flows search`. */
export const ArchiveSinkSettings = sinkOf('archive', {
  /** Records wait so long for others that are written with them; meanwhile a search finds them in the spool. */
  flushSeconds: Type.Integer({ minimum: 1, maximum: 3600 }),
});
export type ArchiveSinkSettings = Static<typeof ArchiveSinkSettings>;

/** What is looked for in records, by the stable names that settings, searches and Sigma rules go by. */
export const detectionRules = [
  'refusal-burst',
  'app-first-use',
  'sign-ins-far-apart',
  'volume-unusual',
  'client-fingerprint-new',
  'posture-flaps',
  'tunnels-disguised',
] as const;
export type DetectionRule = (typeof detectionRules)[number];

/** No receiver elsewhere: it looks at records, and what it finds is a record itself. */
export const DetectionsSinkSettings = sinkOf('detections', {
  /** Days of records that a habit takes; what is unlike it is found from then on. */
  learnDays: Type.Integer({ minimum: 1, maximum: 365 }),
  /** CSV file that says where networks are; without it, sign-ins from two far places are not found. */
  places: Type.Optional(FilePath),
  /** What is not looked for. */
  off: Type.Optional(Type.Array(Type.Enum(detectionRules), { maxItems: detectionRules.length })),
});
export type DetectionsSinkSettings = Static<typeof DetectionsSinkSettings>;

/** Parquet files in S3-compatible object storage. */
export const S3SinkSettings = sinkOf('s3', {
  ...http,
  region: Type.String({ pattern: '^[a-z0-9-]{1,64}$', description: 'such as eu-west-3' }),
  bucket: Type.String({ pattern: '^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$', description: 'the name of a bucket' }),
  /** Begins the keys of all objects. */
  prefix: Type.Optional(
    Type.String({
      pattern: '^([A-Za-z0-9_-]+/)+$',
      maxLength: 200,
      description: 'folders, each with a / behind it',
    }),
  ),
  /** `https://HOST/BUCKET/KEY` instead of `https://BUCKET.HOST/KEY`: most storage that is not Amazon's. */
  pathStyle: Type.Boolean(),
  accessKeyId: Type.String({ pattern: '^[!-~]{1,128}$' }),
  secretKeyFile: FilePath,
  /** Records wait so long for others that are written with them, and until there is so much of them. */
  flushMinutes: Type.Integer({ minimum: 1, maximum: 50 }),
  maxMegabytes: Type.Integer({ minimum: 1, maximum: 512 }),
  /** Objects cannot be removed before the records in them have had their time: the bucket must have object lock. */
  objectLock: Type.Optional(Type.Enum(['governance', 'compliance'])),
});
export type S3SinkSettings = Static<typeof S3SinkSettings>;

export const SinkSettings = Type.Union([
  FileSinkSettings,
  SyslogSinkSettings,
  ElasticsearchSinkSettings,
  SplunkSinkSettings,
  LokiSinkSettings,
  RedisSinkSettings,
  NatsSinkSettings,
  ArchiveSinkSettings,
  DetectionsSinkSettings,
  S3SinkSettings,
]);
export type SinkSettings = Static<typeof SinkSettings>;

/** How a sink does. */
export interface SinkHealth {
  readonly name: string;
  readonly type: SinkSettings['type'];
  /** Records on disk here that the receiver has not acknowledged. */
  readonly lagRecords: number;
  /** Since the oldest of them was recorded; 0 where there is none. */
  readonly lagSeconds: number;
  /** Since the process of the sinks started. */
  readonly delivered: number;
  /** Kept in the file of dead letters, since the receiver will never take them. */
  readonly refused: number;
  /** Why it does not deliver, in a sentence; undefined while it does. */
  readonly problem: string | undefined;
}
