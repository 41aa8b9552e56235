import type { Logger } from 'pino';
import { describeError } from '../agent-error.ts';
import { startStopwatch } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { KeptSignIn } from '../state/kept-sign-in.ts';
import type { SignInPrompt, SignInWish } from './sign-in.ts';

/** A user who closed the window is not asked again by each program that goes on trying. */
const quietAfterFailureSeconds = 300;
/** Nor one who just signed in as asked and is refused all the same: asking again would go round for ever. */
const quietAfterSuccessSeconds = 120;

/** Where the user can sign in now, or why that could not be begun. */
export type SignInInvitation = { readonly url: string; readonly code?: string } | { readonly failed: string };

/** For a user who is led by a page: nobody else is told. */
const noPrompt: SignInPrompt = {
  showAddress: () => undefined,
  showCode: () => undefined,
  openBrowser: () => Promise.resolve(false),
};

/** Asks the user to sign in when that is needed: one at a time, and not again and again. */
export interface SignInKeeper {
  needed(wish: SignInWish): void;
  /**
   * The user wants to, by a button in a browser: asked at once, however it ended the last time, and in that very browser.
   * Where the user is being asked already, it is the same sign-in.
   */
  wanted(): Promise<SignInInvitation>;
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
  let asking: Promise<SignInInvitation> | undefined;
  let quiet:
    | { readonly elapsed: () => number; readonly seconds: number; readonly about: SignInWish }
    | undefined;
  let wished: SignInWish | undefined;
  let isHeld = false;
  const beQuiet = (seconds: number, about: SignInWish): void => {
    quiet = { elapsed: startStopwatch(options.clock), seconds, about };
  };
  const isQuietAbout = (wish: SignInWish): boolean =>
    quiet !== undefined && quiet.elapsed() < quiet.seconds && !isMore(wish, quiet.about);
  const ask = async (
    prompt: SignInPrompt,
    wish: SignInWish,
    invite: (invitation: SignInInvitation) => void,
  ): Promise<void> => {
    try {
      const kept = await options.signIn(prompt, wish);
      wished = wish;
      options.keep(kept);
      options.log.info({}, 'user signed in');
    } catch (error) {
      beQuiet(quietAfterFailureSeconds, everything);
      options.log.warn({ reason: describeError(error) }, 'user not signed in');
      invite({ failed: describeError(error) });
      options.onFailure(describeError(error));
    } finally {
      asking = undefined;
    }
  };
  /** @returns where the user can sign in, once that is known. */
  const begin = (prompt: SignInPrompt, wish: SignInWish): Promise<SignInInvitation> => {
    const invitation = Promise.withResolvers<SignInInvitation>();
    asking = invitation.promise;
    const telling: SignInPrompt = {
      showAddress(url, isOpen) {
        invitation.resolve({ url });
        prompt.showAddress(url, isOpen);
      },
      showCode(code, url) {
        invitation.resolve({ url, code });
        prompt.showCode(code, url);
      },
      openBrowser: (url) => prompt.openBrowser(url),
    };
    void ask(telling, wish, invitation.resolve);
    return invitation.promise;
  };
  const needed = (wish: SignInWish): void => {
    const { prompt } = options;
    if (prompt === undefined || isHeld || asking !== undefined) return;
    if (isQuietAbout(wish)) return;
    void begin(prompt, wish);
  };
  return {
    needed,
    wanted() {
      isHeld = false;
      quiet = undefined;
      return asking ?? begin(noPrompt, {});
    },
    hold() {
      isHeld = true;
    },
    signedIn() {
      isHeld = false;
      // Of a sign-in by the command it is not known here how strong it is.
      beQuiet(quietAfterSuccessSeconds, wished ?? everything);
      wished = undefined;
    },
  };
}

const everything: SignInWish = { fresh: true, mfa: true };

/** Who just signed in with less is asked for what an application takes beyond it. */
const isMore = (wish: SignInWish, than: SignInWish): boolean =>
  (wish.fresh === true && than.fresh !== true) || (wish.mfa === true && than.mfa !== true);
