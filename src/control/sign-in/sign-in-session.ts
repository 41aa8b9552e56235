import { Type } from 'typebox';
import type { Static } from 'typebox';
import { Compile } from 'typebox/compile';
import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import { isSignInEnded } from '../../domain/sign-in.ts';
import type { EndedSignIn } from '../../domain/sign-in.ts';
import type { Sealer } from '../../identity/sealer.ts';

/**
 * A user who is signed in on a device. The device itself keeps it, sealed, and shows it for each session token: so the
 * control plane keeps no list of who is signed in, and none is signed out when it is started again or another answers.
 */
export const SignInSession = Type.Object(
  {
    id: Type.String(),
    device: Type.String(),
    user: Type.String(),
    claims: Type.Record(Type.String(), Type.Array(Type.String())),
    /** Epoch seconds, as in a token's `signIn`. */
    at: Type.Integer(),
    mfa: Type.Boolean(),
    /** Epoch seconds. */
    expiresAt: Type.Integer(),
  },
  { additionalProperties: false },
);
export type SignInSession = Static<typeof SignInSession>;

const purpose = 'sign-in session';
const sessions = Compile(SignInSession);

export const sealSignInSession = (sealer: Sealer, session: SignInSession): string =>
  sealer.seal(purpose, session);

/** The sign-in that a device shows, if it is its own, lasts, and was not ended. `now` in epoch seconds. */
export function openSignInSession(
  sealer: Sealer,
  text: string,
  context: {
    readonly device: string;
    readonly now: number;
    readonly ended: ReadonlyMap<string, EndedSignIn>;
  },
): SignInSession | Refusal {
  const value = sealer.open(purpose, text);
  if (!sessions.Check(value)) return refuse('sign-in-required', 'not sealed by this organization');
  if (value.device !== context.device) return refuse('sign-in-required', `of ${value.device}`);
  if (isSignInEnded(context.ended, value.id)) return refuse('sign-in-ended', value.id);
  if (value.expiresAt <= context.now) return refuse('sign-in-required', `expired at ${value.expiresAt}`);
  return value;
}
