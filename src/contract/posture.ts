import { Type } from 'typebox';
import type { Static, TSchema } from 'typebox';
import { criterionMeanings, maxReasonCharacters, postureCriteria, postureFacts } from '../domain/posture.ts';
import type { PostureCriterion, PostureFact } from '../domain/posture.ts';

/** What the agent reports about its laptop; the control plane adds when it was received. */
const strict = { additionalProperties: false } as const;
const Value = Type.Union([Type.Boolean(), Type.Literal('unknown')]);
export { criterionMeanings, maxReasonCharacters, postureCriteria, postureFacts };
export type { PostureCriterion };

const each = <Schema extends TSchema>(schema: Schema): Record<PostureCriterion, Schema> =>
  Object.fromEntries(postureCriteria.map((name) => [name, schema])) as Record<PostureCriterion, Schema>;

/** The criteria of this version, all of them. */
export const PostureChecks = Type.Object(each(Value), strict);
export type PostureChecks = Static<typeof PostureChecks>;

// Agents, control planes and gateways are never all of one version: one that knows a criterion more or less than another
// must not be refused for it. Whoever reads takes what it knows (`readChecks`).
const criterionPattern = '^[a-z][A-Za-z0-9]{0,39}$';
export const ReportedChecks = Type.Record(Type.String({ pattern: criterionPattern }), Value, {
  maxProperties: 64,
  additionalProperties: false,
});
const Reasons = Type.Record(
  Type.String({ pattern: criterionPattern }),
  Type.String({ maxLength: maxReasonCharacters }),
  { maxProperties: 64, additionalProperties: false },
);

const fact = (name: PostureFact) => Type.String({ maxLength: postureFacts[name].maxLength });
/** `kernelVersion` is missing from agents of the time before it was asked for. */
export const ReportedFacts = {
  os: fact('os'),
  osVersion: fact('osVersion'),
  kernelVersion: Type.Optional(fact('kernelVersion')),
  agentVersion: fact('agentVersion'),
};

export const PostureReport = Type.Object(
  {
    /** How long ago the checks ran, by the laptop's monotonic clock: its wall clock is not believed. */
    ageSeconds: Type.Integer({ minimum: 0, maximum: 86_400 }),
    ...ReportedFacts,
    checks: ReportedChecks,
    /** Why each check says what it says, for the people who mend laptops. No policy sees it. */
    reasons: Type.Optional(Reasons),
  },
  strict,
);
export type PostureReport = Static<typeof PostureReport>;

// GET /v1/devices/:id/posture
export const DevicePosture = Type.Object(
  {
    measuredAt: Type.Integer({ description: 'epoch seconds, by the clock of the control plane' }),
    reportedAt: Type.Optional(Type.Integer({ description: 'epoch seconds: when it came' })),
    ...ReportedFacts,
    checks: PostureChecks,
    reasons: Reasons,
  },
  strict,
);
export type DevicePosture = Static<typeof DevicePosture>;

export const maxPostureWaitSeconds = 30;

// POST /v1/devices/:id/posture
export const AskPostureRequest = Type.Object(
  {
    waitSeconds: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: maxPostureWaitSeconds,
        description: 'for the answer; 10 without it',
      }),
    ),
  },
  strict,
);
export const AskPostureResponse = Type.Object(
  {
    answered: Type.Boolean({ description: 'false: nothing came in time; the device is off, asleep or away' }),
    answeredInMs: Type.Optional(Type.Integer({ minimum: 0 })),
    /** The answer; without one, what the device said before, if it did within a day. */
    posture: Type.Optional(DevicePosture),
  },
  strict,
);
export type AskPostureResponse = Static<typeof AskPostureResponse>;
