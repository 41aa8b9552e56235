import { refuse } from '../../contract/refusals.ts';
import type { Refusal } from '../../contract/refusals.ts';
import { isSignInEnded } from '../../domain/sign-in.ts';
import type { VerifiedToken } from '../../domain/subject.ts';
import type { Gateway } from '../gateway.ts';

/** Whoever signed out, here or at the identity provider, is out on the connections that are open, too. */
export function refuseEnded({ signIn }: VerifiedToken, gateway: Gateway): Refusal | undefined {
  return signIn !== undefined && isSignInEnded(gateway.state().endedSignIns, signIn.id)
    ? // What of the id is the user's at the provider stays the same for years: it has no place in records.
      refuse('sign-in-ended', signIn.id.split('.').at(-1))
    : undefined;
}
