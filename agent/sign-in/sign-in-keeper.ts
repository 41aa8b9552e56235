import type { Logger } from 'pino';
import { describeError } from '../agent-error.ts';
import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { KeptSignIn } from '../state/kept-sign-in.ts';
import type { SignInPrompt, SignInWish } from './sign-in.ts';

/** A user who closed the window is not asked again by each program that goes on trying. */
const quietAfterFailureSeconds = 300;
/** Nor one who just signed in and is refused all the same: asking again would go round for ever. */
const quietAfterSuccessSeconds = 120;

/** Asks the user to sign in when that is needed: one at a time, and not again and again. */
export interface SignInKeeper {
  needed(wish: SignInWish): void;
  /** The user wants to, by a button: asked at once, however it ended the last time. */
  wanted(): void;
  /** The user signed out by will: nobody is asked until someone signs in. */
  hold(): void;
  /** Someone signed in, here or by `postern-agent login`. */
  signedIn(): void;
}

export function createSignInKeeper(options: {
  /** Without it nobody is asked. */
  readonly prompt: SignInPrompt | undefined;
  readonly signIn: (prompt: SignInPrompt, wish: SignInWish) => Promise<KeptSignIn>;
  readonly keep: (kept: KeptSignIn) => void;
  readonly clock: Clock;
  readonly log: Logger;
  readonly onFailure: (reason: string) => void;
}): SignInKeeper {
  let asking: Promise<void> | undefined;
  let quiet: { readonly elapsed: () => number; readonly seconds: number } | undefined;
  let isHeld = false;
  const beQuiet = (seconds: number): void => {
    quiet = { elapsed: startStopwatch(options.clock), seconds };
  };
  const ask = async (prompt: SignInPrompt, wish: SignInWish): Promise<void> => {
    try {
      options.keep(await options.signIn(prompt, wish));
      options.log.info({}, 'user signed in');
    } catch (error) {
      beQuiet(quietAfterFailureSeconds);
      options.log.warn({ reason: describeError(error) }, 'user not signed in');
      options.onFailure(describeError(error));
    } finally {
      asking = undefined;
    }
  };
  const needed = (wish: SignInWish): void => {
    const { prompt } = options;
    if (prompt === undefined || isHeld || asking !== undefined) return;
    if (quiet !== undefined && quiet.elapsed() < quiet.seconds) return;
    asking = ask(prompt, wish);
  };
  return {
    needed,
    wanted() {
      isHeld = false;
      quiet = undefined;
      needed({});
    },
    hold() {
      isHeld = true;
    },
    signedIn() {
      isHeld = false;
      beQuiet(quietAfterSuccessSeconds);
    },
  };
}
