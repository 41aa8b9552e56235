import { Type } from 'typebox';
import type { Static } from 'typebox';

/** What the agent reports about its laptop; the control plane adds when it was received. */
const strict = { additionalProperties: false } as const;
const Value = Type.Union([Type.Boolean(), Type.Literal('unknown')]);

export const PostureChecks = Type.Object(
  {
    diskEncrypted: Value,
    firewallEnabled: Value,
    screenLockEnabled: Value,
    osUpToDate: Value,
    secureBoot: Value,
    protectionRunning: Value,
  },
  strict,
);
export type PostureChecks = Static<typeof PostureChecks>;

export const PostureReport = Type.Object(
  {
    /** How long ago the checks ran, by the laptop's monotonic clock: its wall clock is not believed. */
    ageSeconds: Type.Integer({ minimum: 0, maximum: 86_400 }),
    os: Type.String({ maxLength: 32 }),
    osVersion: Type.String({ maxLength: 64 }),
    agentVersion: Type.String({ maxLength: 32 }),
    checks: PostureChecks,
  },
  strict,
);
export type PostureReport = Static<typeof PostureReport>;
