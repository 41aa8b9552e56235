import { Type } from 'typebox';
import type { Static } from 'typebox';

/** GET /v1/flows/blast-radius/:device: all that a device reached, tried, and could reach by the policies of now. */
const strict = { additionalProperties: false } as const;
const Text = Type.Union([Type.String(), Type.Null()]);
const Milliseconds = Type.Integer({ description: 'epoch milliseconds' });

/** Per application; `app` is null where a name was asked for that no application has. */
const used = {
  app: Text,
  network: Text,
  users: Type.Array(Type.String()),
  first: Milliseconds,
  last: Milliseconds,
};

export const BlastRadius = Type.Object(
  {
    device: Type.Object(
      { id: Type.String(), user: Type.String(), role: Type.String(), state: Type.String() },
      strict,
    ),
    since: Milliseconds,
    until: Milliseconds,
    reached: Type.Array(
      Type.Object(
        { ...used, allowed: Type.Integer(), bytesIn: Type.Integer(), bytesOut: Type.Integer() },
        strict,
      ),
    ),
    tried: Type.Array(
      Type.Object({ ...used, denied: Type.Integer(), refusals: Type.Array(Type.String()) }, strict),
    ),
    /** Whoever used it, and whoever enrolled it, with what is known of each from the newest record. */
    assumed: Type.Array(
      Type.Object(
        {
          user: Text,
          /** Taken to be reported anew just now. */
          posture: Type.Enum(['last-reported', 'recorded', 'none']),
          claims: Type.Enum(['recorded', 'none']),
          signIn: Type.Enum(['recorded', 'none']),
        },
        strict,
      ),
    ),
    couldReach: Type.Array(
      Type.Object(
        {
          app: Type.String(),
          network: Type.String(),
          user: Text,
          /** `challenge`: once the user has signed in as it asks. */
          effect: Type.Enum(['allow', 'challenge']),
          reasons: Type.Array(Type.String()),
          policies: Type.Array(Type.String()),
          /** Whether it was reached in the period. */
          reached: Type.Boolean(),
        },
        strict,
      ),
    ),
    /** Of all applications that there are. */
    apps: Type.Integer(),
    policyVersion: Type.String(),
  },
  strict,
);
export type BlastRadius = Static<typeof BlastRadius>;
