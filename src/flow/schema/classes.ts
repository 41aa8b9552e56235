import { Type } from 'typebox';
import type { Static } from 'typebox';
import { findingLimits } from '../record/detection-finding.ts';
import { textLimits } from '../record/safe-text.ts';
import {
  certificate,
  httpRequest,
  httpResponse,
  ofFlowRecord,
  ofNetworkRecord,
  ofRecord,
  partialTraffic,
  session,
  totalTraffic,
  traffic,
  url,
  user,
} from './ocsf.ts';
import {
  bytes,
  count,
  epochMs,
  host,
  literal,
  literals,
  object,
  optional,
  orNull,
  sha256Hex,
  string,
  text,
} from './parts.ts';
import { ofAuthentication, ofFlow, ofRequest, ofTunnel, place } from './postern.ts';

/**
 * Flow records exactly as this version writes them: a narrower contract than OCSF, for those who read them. Members that
 * are always there are required, whether the flow was allowed or denied; what is unknown in `unmapped.postern` is null.
 */
const classOf = <Uid extends number, Name extends string>(uid: Uid, name: Name) => ({
  class_uid: literal(uid, 'number of the class'),
  class_name: literal(name, 'its name'),
});
const unmapped = <Properties extends Parameters<typeof object>[0]>(properties: Properties) =>
  object({ postern: object(properties, 'our own') }, 'what OCSF has no attribute for');

export const HttpActivityRecord = object({
  ...classOf(4002, 'HTTP Activity'),
  ...ofNetworkRecord,
  http_request: httpRequest,
  http_response: optional(httpResponse),
  traffic,
  unmapped: unmapped({ ...ofFlow, ...ofRequest }),
});
export type HttpActivityRecord = Static<typeof HttpActivityRecord>;

export const NetworkActivityRecord = object({
  ...classOf(4001, 'Network Activity'),
  ...ofNetworkRecord,
  url: optional(url),
  traffic: optional(partialTraffic),
  cumulative_traffic: optional(totalTraffic),
  unmapped: unmapped({ ...ofFlow, ...ofTunnel }),
});
export type NetworkActivityRecord = Static<typeof NetworkActivityRecord>;

export const TunnelActivityRecord = object({
  ...classOf(4014, 'Tunnel Activity'),
  ...ofNetworkRecord,
  tunnel_type_id: literal(1, 'split tunnel: only what is for applications goes through'),
  tunnel_type: literal('Split Tunnel', 'its name'),
  protocol_name: literal('HTTP/2 over TLS', 'what the agent speaks'),
  user,
  session: optional(session),
  traffic: optional(traffic),
  unmapped: unmapped(ofFlow),
});
export type TunnelActivityRecord = Static<typeof TunnelActivityRecord>;

export const AuthenticationRecord = object({
  ...classOf(3002, 'Authentication'),
  ...ofFlowRecord,
  category_uid: literal(3, 'Identity & Access Management'),
  user,
  session: optional(session),
  service: object({ name: literal('postern-gateway', 'the gateway') }, 'what was signed in to'),
  auth_protocol_id: literal(99, 'other'),
  auth_protocol: string('TLS client certificate, or a token bound to one'),
  logon_type_id: literal(3, 'network'),
  logon_type: literal('Network', 'network'),
  is_remote: literal(true, 'always'),
  is_cleartext: literal(false, 'never'),
  certificate: optional(certificate),
  http_request: optional(httpRequest),
  http_response: optional(httpResponse),
  unmapped: unmapped({ ...ofFlow, ...ofAuthentication }),
});
export type AuthenticationRecord = Static<typeof AuthenticationRecord>;

export const DetectionFindingRecord = object({
  ...classOf(2004, 'Detection Finding'),
  ...ofRecord,
  category_uid: literal(2, 'Findings'),
  status_id: literals([1, 4], '1 new, 4 resolved'),
  finding_info: object(
    {
      uid: text(64, 'id of the finding: the same when it is told again'),
      title: host('what it is about'),
      desc: text(textLimits.detail, 'in a sentence'),
      analytic: object(
        {
          type_id: literal(1, 'a rule'),
          type: literal('Rule', 'a rule'),
          name: text(64, 'name of the detection; stable'),
          uid: text(64, 'the same'),
        },
        'what found it',
      ),
      first_seen_time: epochMs('when it began'),
      last_seen_time: epochMs('when it was seen last'),
      related_events: optional(
        Type.Array(object({ uid: text(64, 'id of a flow'), type: literal('flow', 'a flow') }), {
          maxItems: findingLimits.flows,
          description: 'flows that show it',
        }),
      ),
      related_events_count: optional(count('how many there were')),
    },
    'the finding',
  ),
  is_alert: literal(true, 'it is to be looked at'),
  actor: optional(
    object(
      {
        user: object(
          { name: host('name'), type: literal('User', 'a person'), type_id: literal(1, 'its number') },
          'who',
        ),
      },
      'whom it is about',
    ),
  ),
  device: optional(
    object(
      { uid: host('id'), type: literal('Laptop', 'a laptop'), type_id: literal(3, 'its number') },
      'which device it is about',
    ),
  ),
  malware: optional(
    Type.Array(
      object({
        name: host('name of the signature, as the scanner has it'),
        classification_ids: Type.Array(literal(0, 'unknown'), { description: 'what kind it is of' }),
        classifications: Type.Array(literal('Unknown', 'unknown'), { description: 'the same' }),
        files: Type.Array(
          object({
            name: sha256Hex('the hash: a content has no name'),
            type_id: literal(1, 'its number'),
            type: literal('Regular File', 'a content'),
            size: bytes('how long it is'),
            hashes: Type.Array(
              object({
                algorithm_id: literal(3, 'its number'),
                algorithm: literal('SHA-256', 'how it is hashed'),
                value: sha256Hex('of the content, as the scanner got it'),
              }),
              { description: 'by which it is known elsewhere' },
            ),
          }),
          { description: 'what it was found in' },
        ),
      }),
      { maxItems: 1, description: 'malware that was found' },
    ),
  ),
  unmapped: unmapped({
    ...place,
    rule: text(64, 'name of the detection; stable'),
    user: orNull(host('name'), 'whom it is about'),
    device: orNull(host('id'), 'which device it is about'),
    app: orNull(host('name'), 'which application it is about'),
    flows: Type.Array(text(64, 'id'), {
      maxItems: findingLimits.flows,
      description: 'flows that show it, the first of them',
    }),
    flowCount: count('how many there were'),
    counts: Type.Record(text(64, 'name'), Type.Number(), {
      description: 'the numbers that made it one, by name',
    }),
  }),
});
export type DetectionFindingRecord = Static<typeof DetectionFindingRecord>;

export const HeartbeatRecord = object({
  ...classOf(3004, 'Entity Management'),
  ...ofRecord,
  category_uid: literal(3, 'Identity & Access Management'),
  status_id: literal(1, 'success'),
  entity: object(
    {
      name: string('name of the chain, as its files begin'),
      type_id: literal(99, 'other'),
      type: literal('Flow Record Chain', 'what it is'),
    },
    'the chain that goes on',
  ),
  unmapped: unmapped({
    ...place,
    spool: object(
      {
        waiting: count('records in memory that the operating system does not have yet'),
        bytes: bytes('all record files of the server'),
        freeBytes: bytes('what the disk has left'),
      },
      'how much there is',
    ),
    sinks: Type.Array(
      object({
        name: text(64, 'name of the sink'),
        records: count('records that it has not acknowledged'),
        seconds: Type.Number({ minimum: 0, description: 'age of the oldest of them' }),
      }),
      { description: 'how far each sink is behind' },
    ),
    clock: object(
      {
        offsetMs: orNull(Type.Integer(), 'how far this clock is ahead of another one; milliseconds'),
        against: orNull(Type.Enum(['redis', 'chrony']), 'whose that is; null where there is none to ask'),
      },
      'how the clock is',
    ),
  }),
});
export type HeartbeatRecord = Static<typeof HeartbeatRecord>;

/** What workers write, by number of the class. */
export const flowRecordSchemas = {
  2004: DetectionFindingRecord,
  3002: AuthenticationRecord,
  3004: HeartbeatRecord,
  4001: NetworkActivityRecord,
  4002: HttpActivityRecord,
  4014: TunnelActivityRecord,
} as const;
