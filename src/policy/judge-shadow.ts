import type { Decision, ShadowOutcome } from '../domain/decision.ts';
import { afterSigningIn, waysToSignIn } from './challenge.ts';
import { cedarRequest, judge } from './judge.ts';
import type { Verdict } from './judge.ts';
import type { ParsedPolicy } from './parsed-policy.ts';
import type { PolicyInputs } from './policy-inputs.ts';
import type { ShadowSlice } from './shadow-slice.ts';
import type { PolicySlice } from './slices.ts';

type Effect = Decision['effect'];

/** Which shadow policies hold, by id, and which could not be evaluated. */
interface Holding {
  readonly held: ReadonlySet<string>;
  readonly failed: ReadonlySet<string>;
}

function evaluate(slice: PolicySlice, shadow: ShadowSlice, inputs: PolicyInputs): Holding {
  const { app, network } = slice;
  const request = cedarRequest({ app, network, leaves: shadow.leaves, groups: shadow.usage.groups }, inputs);
  const answers = shadow.sets.map((set) => set.authorize(request));
  return {
    held: new Set(answers.flatMap(({ determining }) => determining)),
    failed: new Set(answers.flatMap(({ errors }) => errors.map(({ id }) => id))),
  };
}

/** The answer with one more resource in force, by what judge.ts does with it: a forbid that fails might have held. */
function withPolicies(
  policies: readonly ParsedPolicy[],
  { held, failed }: Holding,
  verdict: Verdict,
): Effect {
  const forbids = policies.some(({ id, effect }) => effect === 'forbid' && (held.has(id) || failed.has(id)));
  if (forbids) return 'deny';
  if (verdict.effect === 'allow') return 'allow';
  if (verdict.isBlocked) return 'deny';
  return policies.some(({ id, effect }) => effect === 'permit' && held.has(id)) ? 'allow' : 'deny';
}

/** What the answer would be once the user signed in, in each of the ways that policies speak of. */
function* afterEachSignIn(
  slice: PolicySlice,
  shadow: ShadowSlice,
  inputs: PolicyInputs,
): Generator<{ readonly holding: Holding; readonly verdict: Verdict }> {
  for (const words of waysToSignIn([...slice.leaves, ...shadow.leaves], inputs)) {
    const signedIn = afterSigningIn(inputs, words);
    yield { holding: evaluate(slice, shadow, signedIn), verdict: judge(slice, signedIn) };
  }
}

const none: readonly string[] = [];

/**
 * What each shadow policy, by itself beside the enforced ones, would have made of an access. It changes nothing: the
 * enforced answer is `enforced`, and was found before. Never throws.
 */
export function judgeShadow(
  slice: PolicySlice,
  shadow: ShadowSlice,
  inputs: PolicyInputs,
  enforced: { readonly effect: Effect; readonly verdict: Verdict },
): ShadowOutcome {
  const names = [...shadow.resources.keys()].sort();
  try {
    const now = evaluate(slice, shadow, inputs);
    let later: readonly { readonly holding: Holding; readonly verdict: Verdict }[] | undefined;
    const would: Record<Effect, string[]> = { allow: [], deny: [], challenge: [] };
    const failed = [...shadow.broken];
    for (const name of names) {
      const policies = shadow.resources.get(name) ?? [];
      if (policies.some(({ id }) => now.failed.has(id))) failed.push(name);
      let effect = withPolicies(policies, now, enforced.verdict);
      if (effect === 'deny') {
        later ??= [...afterEachSignIn(slice, shadow, inputs)];
        if (later.some(({ holding, verdict }) => withPolicies(policies, holding, verdict) === 'allow'))
          effect = 'challenge';
      }
      if (effect !== enforced.effect) would[effect].push(name);
    }
    return {
      evaluated: names,
      wouldAllow: would.allow,
      wouldDeny: would.deny,
      wouldChallenge: would.challenge,
      failed: failed.sort(),
    };
  } catch {
    return {
      evaluated: none,
      wouldAllow: none,
      wouldDeny: none,
      wouldChallenge: none,
      failed: [...shadow.broken, ...names].sort(),
    };
  }
}
