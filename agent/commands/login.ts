import type { Command } from 'commander';
import { AgentError } from '../agent-error.ts';
import { createDeviceApi } from '../control/device-api.ts';
import { message } from '../messages.ts';
import { signInUser } from '../sign-in/sign-in.ts';
import { restartWithTpm } from '../keys/restart-with-tpm.ts';
import { loadCredentials } from '../state/credentials.ts';
import { saveSignIn } from '../state/kept-sign-in.ts';
import { tellAgent } from '../state/lock.ts';
import { loadSettings } from '../state/settings-file.ts';
import { checkStateDirectory } from '../state/state-directory.ts';
import { enterState, stateOption } from './command-context.ts';
import type { CommandContext } from './command-context.ts';
import { explainControlError } from '../control/explain-control-error.ts';
import { createSignInPrompt } from './sign-in-prompt.ts';

interface Options {
  readonly state?: string;
  readonly deviceCode: boolean;
  readonly print: boolean;
  readonly fresh: boolean;
  readonly mfa: boolean;
}

/** `postern-agent login`: the user signs in; an agent that runs goes on with it at once. */
export function addLoginCommand(program: Command, context: CommandContext): void {
  program
    .command('login')
    .description('sign in with the identity provider of the organization')
    .option(...stateOption)
    .option(
      '--device-code',
      'for a laptop without a browser: prints a code to enter on another machine',
      false,
    )
    .option('--print', 'print the address instead of opening the browser', false)
    .option('--fresh', 'prove to be there now, also where the identity provider still knows you', false)
    .option('--mfa', 'with a second factor; implies --fresh', false)
    .addHelpText(
      'after',
      '\nExamples:\n  postern-agent login\n  postern-agent login --device-code\n  postern-agent login --mfa\n' +
        '\n`postern-agent up` asks by itself where a sign-in is needed; `signIn` in agent.yaml says how.',
    )
    .action(async (options: Options) => {
      const directory = enterState(context, options.state);
      const paths = checkStateDirectory(directory);
      const settings = loadSettings(paths.settings);
      if (settings === undefined) throw new AgentError(2, 'not-enrolled', { directory });
      await restartWithTpm(paths);
      const interrupted = new AbortController();
      const stop = (): void => interrupted.abort(new Error('interrupted'));
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
      try {
        const kept = await signInUser({
          api: createDeviceApi(settings.control),
          credentials: loadCredentials(paths),
          method: options.deviceCode
            ? 'device-code'
            : options.print
              ? 'print'
              : (settings.signIn ?? 'browser'),
          wish: { fresh: options.fresh || options.mfa, mfa: options.mfa },
          prompt: createSignInPrompt(context),
          clock: context.clock,
          language: context.language,
          signal: interrupted.signal,
        });
        saveSignIn(paths.signIn, kept);
        tellAgent(paths.lock);
        const time = new Date(kept.expiresAt * 1000).toISOString();
        context.print(message(context.language, 'signed-in', { user: kept.user, time }));
      } catch (error) {
        if (error instanceof DOMException && error.name === 'TimeoutError')
          throw new AgentError(1, 'sign-in-timed-out', {}, error);
        throw explainControlError(error, settings.control);
      } finally {
        process.off('SIGINT', stop);
        process.off('SIGTERM', stop);
      }
    });
}
