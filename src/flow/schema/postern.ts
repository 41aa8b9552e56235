import { Type } from 'typebox';
import { inspectors, uninspectedReasons } from '../../domain/inspection.ts';
import { postureCriteria } from '../../domain/posture.ts';
import { foundLimits } from '../record/inspection.ts';
import { textLimits } from '../record/safe-text.ts';
import {
  bytes,
  count,
  epochMs,
  host,
  integer,
  literals,
  object,
  orNull,
  sha256Hex,
  string,
  text,
} from './parts.ts';

/** The place of a record in its chain, in `unmapped.postern` of every class that a worker writes. */
export const place = {
  gateway: string('name of the gateway, as its certificate bears it'),
  boot: string('tells one run of the server from another'),
  worker: integer('number of the worker; never given twice in one run'),
  workerStartedAt: epochMs('when that worker began its chain'),
  lost: count('records that were given up before this one because the disk took none'),
  previous: sha256Hex('hash of the record before, or of what the chain begins with'),
};

const shadowWords = {
  evaluated: 'shadow policies that were evaluated',
  wouldAllow: 'those that would have allowed it',
  wouldDeny: 'those that would have denied it',
  wouldChallenge: 'those that would have asked for a sign-in',
  failed: 'those that could not be evaluated',
} as const;

const posture = object({
  measuredAt: integer('epoch seconds'),
  ...Object.fromEntries(
    postureCriteria.map((criterion) => [
      criterion,
      Type.Union([Type.Boolean(), Type.Literal('unknown')], {
        description: 'what the laptop reported; unknown is never true',
      }),
    ]),
  ),
});

const inspectorOutcome = (inspector: string) =>
  object(
    {
      state: literals(['done', 'partly', 'not-done'], 'whether it looked at the flow'),
      why: Type.Optional(literals(uninspectedReasons, 'why not, or not at all of it')),
      found: Type.Optional(
        Type.Array(text(foundLimits.length, 'name of a rule, pattern or protocol'), {
          minItems: 1,
          maxItems: foundLimits.names,
          description: 'what it found, by name; never what it looked at',
        }),
      ),
      score: Type.Optional(count('what was found, weighed')),
      threshold: Type.Optional(
        Type.Integer({ minimum: 1, description: 'score from which on a request counts as an attack' }),
      ),
      messages: Type.Optional(
        Type.Array(text(foundLimits.messageLength, 'sentence'), {
          minItems: 1,
          maxItems: foundLimits.messages,
          description: 'the same for people, in fixed texts',
        }),
      ),
      counts: Type.Optional(
        Type.Record(Type.String(), Type.Integer({ minimum: 1 }), {
          description: 'how many different ones of what was found, by its name',
        }),
      ),
    },
    `what the inspector ${inspector} did`,
  );

const inspection = object(
  {
    ...Object.fromEntries(inspectors.map((inspector) => [inspector, inspectorOutcome(inspector)])),
    /** Of tunnels alone. */
    protocol: Type.Optional(inspectorOutcome('protocol')),
  },
  'what was inspected and what was not',
);

/** What OCSF has no attribute for, and what the SOC searches by. The same for every class of flows and every outcome. */
export const ofFlow = {
  flow: string('id of the flow, as the client was told it'),
  parent: orNull(Type.String(), 'the tunnel that carried it, if one did'),
  connection: string('id of the TLS connection; that of the agent’s session (4014) where there is one'),
  alpn: orNull(Type.String(), 'protocol that TLS agreed on'),
  ja4: orNull(
    Type.String(),
    'JA4 fingerprint of the client, by its ClientHello; null where it sent none that could be read',
  ),
  ...place,
  user: orNull(host('name'), 'who; null where nobody is known, and for machines'),
  device: orNull(Type.String(), 'id of the device'),
  certificateSerial: orNull(text(textLimits.serial, 'hexadecimal'), 'serial number of its certificate'),
  posture: orNull(posture, 'the posture that was decided on'),
  postureAgeSeconds: orNull(count('seconds'), 'its age when the flow began'),
  claims: orNull(
    Type.Record(Type.String(), Type.Array(Type.String())),
    'what the identity provider said that groups may refer to; null also where it is more than is kept',
  ),
  signIn: orNull(
    object({ at: integer('epoch seconds'), mfa: Type.Boolean({ description: 'more than one factor' }) }),
    'the sign-in of the user',
  ),
  app: orNull(Type.String(), 'the application'),
  network: orNull(Type.String(), 'its private network'),
  upstream: orNull(
    object({
      network: string('private network that it was dialled in'),
      address: string('numeric address'),
      port: integer('port'),
    }),
    'what was really dialled; null where nothing was',
  ),
  decision: orNull(
    Type.Enum(['allow', 'deny', 'challenge']),
    'what the policies said; null before they were asked',
  ),
  policyVersion: orNull(Type.String(), 'version of all policies together'),
  policies: Type.Array(Type.String(), {
    description: 'policies that decided; none for the default, which is deny',
  }),
  shadow: orNull(
    object(
      Object.fromEntries(
        Object.entries(shadowWords).map(([word, description]) => [
          word,
          Type.Array(Type.String(), { description }),
        ]),
      ),
    ),
    'what shadow policies would have said',
  ),
  reasons: Type.Array(Type.String(), { description: 'why, in stable words' }),
  refusal: orNull(text(64, 'code'), 'code of the refusal (docs/refusals.md)'),
  endedBy: orNull(Type.Enum(['client', 'upstream', 'gateway']), 'which side ended it; null while it goes on'),
  inspection,
  truncated: Type.Array(Type.Enum(['method', 'authority', 'path', 'userAgent']), {
    description: 'texts that were longer than is kept',
  }),
};

/** What only requests have. */
export const ofRequest = {
  context: orNull(
    sha256Hex('hash'),
    'hash of what this record has in common with others, by which its own is found; null where its own is that of its line',
  ),
  batch: orNull(
    Type.Integer({ minimum: 1 }),
    'number of the first of the records that were written together, which its hash covers up to it; null where its own is that of its line',
  ),
};

/** What only tunnels and upgraded connections have. */
export const ofTunnel = {
  method: orNull(
    text(textLimits.method, 'method'),
    'CONNECT, or the method of the request that was upgraded',
  ),
  path: orNull(
    Type.String({ maxLength: textLimits.path, pattern: '^[^?#]*$' }),
    'its path, without the query',
  ),
  userAgent: orNull(text(textLimits.userAgent, 'text'), 'what the client calls itself'),
  httpStatus: orNull(Type.Integer(), 'status that the client was given'),
};

/** What only sign-ins and handshakes have. */
export const ofAuthentication = {
  step: literals(['handshake', 'token'], 'what was proven: the device, or who uses it'),
  tls: orNull(
    object({
      version: string('version'),
      cipher: string('cipher suite'),
      serverName: orNull(host('name'), 'server name that was asked for'),
    }),
    'TLS as it was agreed on',
  ),
  bytesIn: bytes('from the client'),
  bytesOut: bytes('to the client'),
};
