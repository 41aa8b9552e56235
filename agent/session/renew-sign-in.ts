import type { Clock } from '../clock.ts';

/** Seconds before its end at which a sign-in is asked for anew: the ten minutes that one may take, and some. */
const longestLeadSeconds = 15 * 60;

/**
 * Asks the user to sign in before the sign-in at hand ends, where flows are open that would end with it: once, and mostly the
 * identity provider answers without a question. Nobody is asked while nothing is open. Called from time to time.
 */
export function createSignInRenewal(options: {
  readonly clock: Clock;
  /** Epoch seconds; undefined where nobody is signed in. */
  endsAt(): number | undefined;
  hasFlows(): boolean;
  ask(): void;
}): () => void {
  let known: { readonly end: number; readonly leadSeconds: number } | undefined;
  let askedAbout: number | undefined;
  return () => {
    const end = options.endsAt();
    if (end === undefined) return;
    const left = end - options.clock.now() / 1000;
    // Of one that serves for minutes only, a part: it would be asked for anew as soon as it is there.
    if (known?.end !== end) known = { end, leadSeconds: Math.min(longestLeadSeconds, left / 4) };
    if (askedAbout === end || left <= 0 || left > known.leadSeconds || !options.hasFlows()) return;
    askedAbout = end;
    options.ask();
  };
}
