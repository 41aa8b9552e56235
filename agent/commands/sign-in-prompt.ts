import { message } from '../messages.ts';
import { openBrowser } from '../sign-in/open-browser.ts';
import type { SignInPrompt } from '../sign-in/sign-in.ts';
import type { CommandContext } from './command-context.ts';

/** Asks for a sign-in beside what a command prints, and opens the browser where there is one. */
export const createSignInPrompt = (context: CommandContext): SignInPrompt => ({
  openBrowser: (url) => openBrowser(url, context.environment),
  showAddress: (url, isOpen) =>
    context.tell(message(context.language, isOpen ? 'sign-in-open' : 'sign-in-address', { url })),
  showCode: (code, url) => context.tell(message(context.language, 'sign-in-code', { code, url })),
});
