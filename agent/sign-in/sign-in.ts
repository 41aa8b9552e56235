import type { CompleteSignInResponse } from '../../src/contract/control-api.ts';
import { describeError } from '../agent-error.ts';
import type { Clock } from '../clock.ts';
import type { DeviceApi } from '../control/device-api.ts';
import type { Language } from '../language.ts';
import type { Credentials } from '../state/credentials.ts';
import type { KeptSignIn } from '../state/kept-sign-in.ts';
import { listenOnLoopback } from './loopback-listener.ts';

export type SignInMethod = 'browser' | 'print' | 'device-code';

/** What a sign-in must be beside one of the user. */
export interface SignInWish {
  /** The user proves to be there now, whatever session the identity provider has. */
  readonly fresh?: boolean;
  /** With more than one factor. */
  readonly mfa?: boolean;
}

/** How a user is asked to sign in. */
export interface SignInPrompt {
  /** The address to open in the browser of this laptop; `isOpen` where that was done already. */
  showAddress(url: string, isOpen: boolean): void;
  /** The code to enter at an address, on any machine. */
  showCode(code: string, url: string): void;
  /** False where no browser could be opened. */
  openBrowser(url: string): Promise<boolean>;
}

export interface SignInOptions {
  readonly api: DeviceApi;
  readonly credentials: Credentials;
  readonly method: SignInMethod;
  readonly wish: SignInWish;
  readonly prompt: SignInPrompt;
  readonly clock: Clock;
  readonly language: Language;
  readonly signal: AbortSignal;
}

/**
 * Lets the user of this laptop sign in. The control plane speaks with the identity provider; what passes through here is
 * an address for the browser and the one-time answer that the browser comes back with.
 * @throws what callControl throws, and the reason of the signal.
 */
export async function signInUser(options: SignInOptions): Promise<KeptSignIn> {
  const { signIn, user, expiresAt } =
    options.method === 'device-code' ? await signInByCode(options) : await signInByBrowser(options);
  return { signIn, user, expiresAt };
}

type SignedIn = Extract<CompleteSignInResponse, { signIn: string }>;

async function signInByBrowser(options: SignInOptions): Promise<SignedIn> {
  const { api, credentials, prompt, signal } = options;
  const listener = await listenOnLoopback(options.language);
  try {
    const { redirectUri } = listener;
    const begun = await api.beginSignIn(credentials, { flow: 'code', redirectUri, ...options.wish }, signal);
    if (!('authorizationUrl' in begun)) throw new Error('answer not understood');
    const url = new URL(begun.authorizationUrl);
    if (url.protocol !== 'https:') throw new Error('the identity provider is not at an https address');
    const answered = listener.answer(url.searchParams.get('state') ?? '', untilEnd(options, begun.expiresAt));
    answered.catch(() => undefined);
    prompt.showAddress(url.href, options.method === 'browser' && (await prompt.openBrowser(url.href)));
    const answer = await answered;
    try {
      const request = { transaction: begun.transaction, parameters: answer.parameters };
      const signedIn = await api.completeSignIn(credentials, request, signal);
      if ('pending' in signedIn) throw new Error('answer not understood');
      answer.show('signed-in-page');
      return signedIn;
    } catch (error) {
      answer.show('sign-in-failed-page', describeError(error));
      throw error;
    }
  } finally {
    listener.close();
  }
}

async function signInByCode(options: SignInOptions): Promise<SignedIn> {
  const { api, credentials, prompt, clock, signal } = options;
  const begun = await api.beginSignIn(credentials, { flow: 'device-code', ...options.wish }, signal);
  if (!('userCode' in begun)) throw new Error('answer not understood');
  prompt.showCode(begun.userCode, begun.verificationUri);
  for (let waitSeconds = begun.intervalSeconds; ; ) {
    await clock.sleep(waitSeconds * 1000, signal);
    signal.throwIfAborted();
    // That it took too long is said by the control plane.
    const answer = await api.completeSignIn(credentials, { transaction: begun.transaction }, signal);
    if (!('pending' in answer)) return answer;
    waitSeconds = answer.intervalSeconds;
  }
}

/** Over when the control plane would not take the answer any more. */
function untilEnd({ clock, signal }: SignInOptions, expiresAt: number): AbortSignal {
  const milliseconds = Math.min(Math.max(0, expiresAt * 1000 - clock.now()), 900_000);
  return AbortSignal.any([signal, AbortSignal.timeout(milliseconds)]);
}
