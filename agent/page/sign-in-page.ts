import { escapeHtml } from '../../src/contract/escape-html.ts';
import type { Language } from '../language.ts';
import type { SignInInvitation } from '../sign-in/sign-in-keeper.ts';
import { frame } from './frame.ts';
import { pageWords } from './words.ts';

/**
 * After the button: this very browser goes on to the identity provider, whether or not the agent could open a window. By
 * itself where there is no code to be read first; not by a redirect, which the policy of the page would not let a form
 * take elsewhere.
 */
export function buildSignInPage(invitation: SignInInvitation, language: Language): string {
  const word = (key: keyof typeof pageWords): string => escapeHtml(pageWords[key][language]);
  const back = `<p><a href="/">${word('back')}</a></p>`;
  if ('failed' in invitation)
    return frame(
      language,
      `<header>Postern</header><section class="hero bad"><h1>${word('sign-in-not-begun')}</h1>` +
        `<p>${escapeHtml(invitation.failed)}</p></section>${back}`,
    );
  const { url, code } = invitation;
  const target = escapeHtml(url);
  const advice =
    code === undefined
      ? `<p>${word('sign-in-goes-on')}</p>`
      : `<p>${word('sign-in-code')}</p><p><code>${escapeHtml(code)}</code></p>`;
  return frame(
    language,
    `<header>Postern</header><section class="hero wait"><h1>${word('sign-in')}</h1>${advice}` +
      `<p><a class="button first" rel="noreferrer" href="${target}">${word('sign-in-open')}</a></p></section>${back}`,
    code === undefined ? `<meta http-equiv="refresh" content="0;url=${target}">` : '',
  );
}
