import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Next } from './control-api.ts';

/** GET /v1/flows, /v1/flows/summary and /v1/flows/tail: what of the records is asked for. */
const strict = { additionalProperties: false } as const;
const Word = (description: string) =>
  Type.Optional(Type.String({ minLength: 1, maxLength: 255, description }));
const Milliseconds = (description: string) =>
  Type.Optional(Type.String({ pattern: '^[0-9]{1,15}$', description: `epoch milliseconds: ${description}` }));

/** Names for the OCSF classes of records, as people ask for them. */
export const flowClassNames = {
  finding: 2004,
  'sign-in': 3002,
  change: 3004,
  tunnel: 4001,
  request: 4002,
  session: 4014,
  access: 6003,
} as const;

export const FlowFilterQuery = {
  user: Word('who'),
  device: Word('id of the device'),
  app: Word('application'),
  network: Word('private network'),
  verdict: Type.Optional(Type.Enum(['allowed', 'denied'])),
  reason: Word('one of the reasons, or the code of the refusal'),
  flow: Word('id of a flow: its records, and those of what it carried'),
  class: Type.Optional(
    Type.String({ pattern: '^[0-9]{4}$', description: 'OCSF class, such as 4002 for requests' }),
  ),
};

export const FlowPlaceQuery = {
  from: Type.Optional(
    Type.String({
      pattern: '^[a-z0-9][a-z0-9-]{0,62}$',
      description:
        'name of a sink of type s3: what all servers wrote there, instead of the records of this one',
    }),
  ),
};

export const FlowPeriodQuery = {
  since: Milliseconds('only what happened from then on; the last 24 hours without it'),
  until: Milliseconds('only what happened before'),
};

export const SearchFlowsQuery = Type.Object(
  {
    ...FlowFilterQuery,
    ...FlowPeriodQuery,
    ...FlowPlaceQuery,
    whole: Type.Optional(
      Type.Enum(['true', 'false'], { description: 'each with its record, as it is on disk' }),
    ),
    limit: Type.Optional(
      Type.String({ pattern: '^[1-9][0-9]{0,3}$', description: 'at most so many, and 1000; 100 without' }),
    ),
    cursor: Type.Optional(Type.String({ maxLength: 1024, description: '`next` of the page before' })),
  },
  strict,
);

const Text = Type.Union([Type.String(), Type.Null()]);
const Whole = Type.Union([Type.Integer(), Type.Null()]);
export const FlowView = Type.Object(
  {
    time: Whole,
    loggedTime: Whole,
    uid: Text,
    class: Whole,
    activity: Text,
    severity: Whole,
    verdict: Text,
    user: Text,
    device: Text,
    app: Text,
    network: Text,
    host: Text,
    upstream: Text,
    method: Text,
    path: Text,
    httpStatus: Whole,
    decision: Text,
    reasons: Type.Array(Type.String()),
    policies: Type.Array(Type.String()),
    policyVersion: Text,
    refusal: Text,
    endedBy: Text,
    bytesIn: Whole,
    bytesOut: Whole,
    durationMs: Whole,
    flow: Text,
    parent: Text,
    connection: Text,
    source: Text,
    postureAgeSeconds: Whole,
    what: Text,
    gateway: Text,
    boot: Text,
    worker: Whole,
    workerStartedAt: Whole,
    sequence: Whole,
    record: Type.Optional(Type.String({ description: 'as it is on disk: JSON of OCSF' })),
  },
  strict,
);
export type FlowView = Static<typeof FlowView>;

export const TailFlowsQuery = Type.Object(
  {
    ...FlowFilterQuery,
    seconds: Type.Optional(
      Type.String({ pattern: '^[1-9][0-9]{0,4}$', description: 'ends after so many; without, when you go' }),
    ),
  },
  strict,
);

/** Newest first. */
export const SearchFlowsResponse = Type.Object({ flows: Type.Array(FlowView), next: Next }, strict);

/** What accesses can be counted by. */
export const summaryColumns = [
  'user',
  'device',
  'app',
  'network',
  'verdict',
  'refusal',
  'policyVersion',
  'class',
  'gateway',
] as const;
export type SummaryColumn = (typeof summaryColumns)[number];

export const SummarizeFlowsQuery = Type.Object(
  {
    ...FlowFilterQuery,
    ...FlowPeriodQuery,
    ...FlowPlaceQuery,
    by: Type.String({
      pattern: `^(${summaryColumns.join('|')})(,(${summaryColumns.join('|')})){0,3}$`,
      description: 'up to four columns, with commas between them: user,device',
    }),
    limit: Type.Optional(
      Type.String({ pattern: '^[1-9][0-9]{0,3}$', description: 'at most so many, and 1000; 100 without' }),
    ),
  },
  strict,
);

/** How often a combination was there. A tunnel counts once, and what it carried in bytes when it ended. */
export const FlowCount = Type.Object(
  {
    by: Type.Record(Type.String(), Type.Union([Type.String(), Type.Integer(), Type.Null()])),
    allowed: Type.Integer(),
    denied: Type.Integer(),
    /** Of what no policy was asked about: sign-ins, tunnels that only carry requests, findings, changes, reads. */
    other: Type.Integer(),
    bytesIn: Type.Integer(),
    bytesOut: Type.Integer(),
    first: Type.Integer({ description: 'epoch milliseconds' }),
    last: Type.Integer({ description: 'epoch milliseconds' }),
  },
  strict,
);
export type FlowCount = Static<typeof FlowCount>;

/** The most frequent first. */
export const SummarizeFlowsResponse = Type.Object({ counts: Type.Array(FlowCount) }, strict);
