import { challengeWords } from '../domain/decision.ts';
import type { ChallengeWord } from '../domain/decision.ts';
import { judge } from './judge.ts';
import type { Verdict } from './judge.ts';
import { freshest } from './policy-inputs.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import type { PolicySlice } from './slices.ts';

/** What the user would have to do for an access that is denied as things are. */
export interface FoundChallenge {
  readonly missing: readonly ChallengeWord[];
  readonly maxAgeSeconds?: number;
  /** The answer then. */
  readonly verdict: Verdict;
}

/** The inputs had the user just done what these words say. Each changes the facts that it speaks of and no other. */
export const afterSigningIn = (
  inputs: PolicyInputs,
  words: readonly ChallengeWord[],
  ageSeconds = 0,
): PolicyInputs => ({
  ...inputs,
  signIn: {
    ...inputs.signIn,
    ...(words.includes('fresh-sign-in') ? { at: freshest(inputs) - ageSeconds } : {}),
    ...(words.includes('mfa') ? { mfa: true } : {}),
  },
});

/** How many bounds of a sign-in's age are tried at most: policies name one or two. */
const mostBounds = 8;

/**
 * The least that the user can do about a denial by signing in, tried out: where a forbid would still hold, or nothing
 * would permit, there is none. `undefined` also for a principal that cannot sign in.
 */
export function findChallenge(slice: PolicySlice, inputs: PolicyInputs): FoundChallenge | undefined {
  for (const missing of waysToSignIn(slice.leaves, inputs)) {
    const verdict = judge(slice, afterSigningIn(inputs, missing));
    if (verdict.effect === 'deny') continue;
    const maxAgeSeconds = missing.includes('fresh-sign-in')
      ? oldestAllowed(slice, inputs, missing)
      : undefined;
    return { missing, verdict, ...(maxAgeSeconds === undefined ? {} : { maxAgeSeconds }) };
  }
  return undefined;
}

/**
 * Smallest first. What no policy speaks of, or what the user has done, need not be tried; and a machine has nobody who
 * could. `leaves` as in context-leaves.ts.
 */
export function waysToSignIn(
  leaves: readonly string[],
  { signIn, device }: PolicyInputs,
): (readonly ChallengeWord[])[] {
  if (device.role !== 'laptop') return [];
  const fresh = leaves.some((leaf) => leaf === 'signIn.ageSeconds' || leaf === 'signIn.missing');
  const mfa = leaves.includes('signIn.mfa') && !signIn.mfa;
  return [
    ...(fresh ? [['fresh-sign-in'] as const] : []),
    ...(mfa ? [['mfa'] as const] : []),
    ...(fresh && mfa ? [challengeWords] : []),
  ];
}

/** The age just before the highest bound that a sign-in may still have: `max_age` of OpenID Connect and RFC 9470. */
function oldestAllowed(
  slice: PolicySlice,
  inputs: PolicyInputs,
  missing: readonly ChallengeWord[],
): number | undefined {
  const bounds = slice.times.get('signInAge');
  if (bounds === undefined || bounds === 'raw') return undefined;
  return bounds
    .filter((bound) => bound >= 1)
    .slice(-mostBounds)
    .map((bound) => bound - 1)
    .findLast((age) => judge(slice, afterSigningIn(inputs, missing, age)).effect === 'allow');
}
