import { Type } from 'typebox';
import type { Static } from 'typebox';

/** The way to an application, in the order that it is walked. */
export const whySteps = [
  'name',
  'captive-portal',
  'tunnel',
  'certificate',
  'token',
  'posture',
  'policy',
  'connector',
  'upstream',
] as const;
export type WhyStep = (typeof whySteps)[number];

const strict = { additionalProperties: false } as const;

/** What `postern-agent why APP -o json` prints; scripts rely on it. Texts are in the language of whoever asks. */
export const WhyReport = Type.Object(
  {
    /** As it was asked for. */
    asked: Type.String(),
    app: Type.Optional(Type.String()),
    host: Type.Optional(Type.String()),
    ok: Type.Boolean(),
    /** The first step that fails. */
    failed: Type.Optional(Type.Enum([...whySteps])),
    steps: Type.Array(
      Type.Object(
        {
          step: Type.Enum([...whySteps]),
          /** `unknown`: a step before it fails, so nobody can tell. */
          outcome: Type.Enum(['ok', 'failed', 'unknown']),
          /** What was found. */
          text: Type.Optional(Type.String()),
          /** Of a failure: a code of refusal, or a state of the agent. */
          code: Type.Optional(Type.String()),
          /** Of a failure: what to do. */
          help: Type.Optional(Type.String()),
          flowId: Type.Optional(Type.String()),
        },
        strict,
      ),
    ),
  },
  strict,
);
export type WhyReport = Static<typeof WhyReport>;
export type WalkedStep = WhyReport['steps'][number];
