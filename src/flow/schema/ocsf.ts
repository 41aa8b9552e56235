import { Type } from 'typebox';
import { textLimits } from '../record/safe-text.ts';
import {
  bytes,
  count,
  epochMs,
  host,
  integer,
  literal,
  literals,
  object,
  optional,
  string,
  text,
  withoutQuery,
} from './parts.ts';

/** Attributes of OCSF as our records use them: fewer, and narrower. */
export const user = object(
  {
    name: host('name'),
    uid: optional(host('the same')),
    type: literals(['User', 'Service', 'Unknown'], 'a machine authenticates as a Service'),
    type_id: literals([0, 1, 4], 'number of the type'),
  },
  'who',
);
export const session = object(
  {
    uid: host('id of the session token; opens nothing'),
    created_time: epochMs('when it was issued'),
    expiration_time: epochMs('when it ends'),
  },
  'the session token',
);
export const device = object(
  {
    uid: optional(host('id of the device')),
    name: optional(literal('unknown', 'where nothing is known')),
    ip: optional(string('address that the connection came from')),
    type: literals(['Laptop', 'IOT', 'Unknown'], 'a machine without a user is an IOT'),
    type_id: literals([0, 3, 7], 'number of the type'),
    os: optional(
      object(
        {
          name: text(64, 'name'),
          type_id: integer('100 Windows, 200 Linux, 201 Android, 300 macOS'),
          version: text(64, 'version'),
          kernel_release: optional(text(128, 'version of the kernel')),
        },
        'as the posture says',
      ),
    ),
    agent_list: optional(
      Type.Array(object({ name: literal('postern-agent', 'the agent'), version: text(64, 'its version') }), {
        maxItems: 1,
        description: 'the agent on it',
      }),
    ),
  },
  'from which device',
);
const certificate = object(
  {
    serial_number: text(textLimits.serial, 'hexadecimal'),
    issuer: text(textLimits.certificateName, 'issuer'),
    subject: optional(text(textLimits.certificateName, 'subject')),
    created_time: epochMs('valid from'),
    expiration_time: epochMs('valid until'),
    fingerprints: Type.Array(
      object({
        algorithm: literal('SHA-256', 'algorithm'),
        algorithm_id: literal(3, 'its number'),
        value: text(64, 'of its DER; hexadecimal'),
      }),
      { minItems: 1, maxItems: 1, description: 'its thumbprint' },
    ),
  },
  'the certificate as it was presented, believed or not',
);
const endpoint = (description: string) =>
  object(
    {
      ip: optional(string('address')),
      name: optional(literal('unknown', 'where there is no address')),
      hostname: optional(host('name')),
      port: optional(Type.Integer({ minimum: 0, maximum: 65_535, description: 'port' })),
      svc_name: optional(string('the application')),
      zone: optional(string('its private network')),
    },
    description,
  );
export const url = object(
  {
    hostname: optional(host('host that was asked for')),
    port: optional(Type.Integer({ minimum: 0, maximum: 65_535, description: 'port that was asked for' })),
    scheme: optional(literals(['http', 'https'], 'scheme')),
    path: optional(withoutQuery('path; queries are never recorded')),
    url_string: optional(text(textLimits.host + 6, 'host and port')),
  },
  'what was asked for',
);
export const httpRequest = object(
  {
    http_method: optional(string('method, where OCSF knows it; otherwise it is the name of the activity')),
    version: optional(literals(['1.0', '1.1', '2.0'], 'HTTP version')),
    user_agent: optional(text(textLimits.userAgent, 'what the client calls itself')),
    url,
  },
  'the request',
);
export const httpResponse = object(
  { code: Type.Integer({ minimum: 100, maximum: 599, description: 'status that the client was given' }) },
  'the answer',
);
const trafficMembers = {
  bytes: bytes('both ways'),
  bytes_in: bytes('sent back to the laptop'),
  bytes_out: bytes('sent by the laptop'),
};
export const traffic = object(trafficMembers, 'what went through, as the laptop sees it');
export const totalTraffic = object(trafficMembers, 'since the tunnel was opened (activity Traffic)');
export const partialTraffic = object(
  {
    ...trafficMembers,
    start_time: optional(epochMs('since then (activity Traffic)')),
    end_time: optional(epochMs('until then')),
  },
  'Close and Fail: all that went through. Traffic: since the last record of this tunnel, from when to when',
);
const policyReference = object(
  { name: string('name'), version: string('version of all policies together') },
  'the policy',
);

export const metadata = object(
  {
    version: literal('1.8.0', 'version of OCSF'),
    product: object(
      {
        name: literal('Postern', 'name'),
        vendor_name: literal('Postern', 'vendor'),
        version: string('version of the gateway'),
      },
      'who wrote it',
    ),
    tenant_uid: string('domain of the installation: users, devices and applications are unique in it'),
    profiles: Type.Array(Type.String(), { description: 'OCSF profiles whose attributes it has' }),
    uid: Type.String({
      pattern: '^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$',
      description: 'id of the record; UUIDv7',
    }),
    sequence: Type.Integer({
      minimum: 1,
      description: 'its number in the chain of its worker, without a gap',
    }),
    logged_time: epochMs('when it was written'),
    correlation_uid: string('id of the flow, the finding or the chain'),
    is_truncated: optional(literal(true, 'a text was cut: `unmapped.postern.truncated` says which')),
  },
  'of the record itself',
);

/** Of every record that a worker writes. */
export const ofRecord = {
  activity_id: integer('number of the activity'),
  activity_name: string('its name'),
  type_uid: integer('class_uid × 100 + activity_id'),
  time: epochMs('when it happened'),
  severity_id: Type.Integer({ minimum: 1, maximum: 5, description: '1 informational to 5 critical' }),
  metadata,
};

/** Of every record of a flow. */
export const ofFlowRecord = {
  ...ofRecord,
  start_time: epochMs('when the flow began'),
  end_time: optional(epochMs('when it ended')),
  duration: optional(count('from start to end; milliseconds')),
  status_id: literals([1, 2], '1 success, 2 failure'),
  status_code: optional(string('code of the refusal')),
  status_detail: optional(text(textLimits.detail, 'what exactly was wrong')),
  action_id: literals([1, 2], '1 allowed, 2 denied'),
  action: literals(['Allowed', 'Denied'], 'whether it was let through'),
  disposition_id: integer('number of the disposition'),
  disposition: string('Allowed, Blocked, Access Revoked, Rejected, Unauthorized or Error'),
  device,
  src_endpoint: endpoint('where it came from'),
  dst_endpoint: endpoint('where it went, or would have gone: the address is the one that was dialled'),
  policy: optional(policyReference),
  authorizations: Type.Array(
    object({
      decision: literals(['allow', 'deny', 'challenge', 'none'], 'what it said'),
      policy: optional(policyReference),
    }),
    { minItems: 1, description: 'policies that decided' },
  ),
};

/** Of the classes of the category Network Activity. */
export const ofNetworkRecord = {
  ...ofFlowRecord,
  category_uid: literal(4, 'Network Activity'),
  app_name: optional(string('the application')),
  actor: object({ user: optional(user), session: optional(session) }, 'who; of a machine its session alone'),
  proxy_endpoint: endpoint('the gateway'),
  connection_info: object(
    {
      uid: string('id of the TLS connection'),
      direction_id: literal(1, 'inbound'),
      direction: literal('Inbound', 'inbound'),
      protocol_name: literals(['tcp', 'udp'], 'what the application speaks'),
      protocol_num: literals([6, 17], 'its number'),
      protocol_ver_id: literals([4, 6], 'version of IP, from the laptop'),
    },
    'the connection',
  ),
  ja4_fingerprint_list: optional(
    Type.Array(
      object({
        type: literal('JA4', 'of a TLS client'),
        type_id: literal(1, 'number of the type'),
        value: string('all of it'),
        section_a: string('protocol, version, whether it names a server, how much it offers, first ALPN'),
        section_b: string('of its cipher suites'),
        section_c: string('of its extensions and signature algorithms'),
      }),
      { description: 'what program the client is, by its ClientHello', minItems: 1, maxItems: 1 },
    ),
  ),
  tls: optional(
    object(
      {
        version: string('version'),
        cipher: string('cipher suite'),
        sni: optional(host('server name that was asked for')),
        certificate: optional(certificate),
      },
      'TLS from the laptop',
    ),
  ),
};

export { certificate };
