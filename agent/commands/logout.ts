import type { Command } from 'commander';
import { AgentError, describeError } from '../agent-error.ts';
import { createDeviceApi } from '../control/device-api.ts';
import { message } from '../messages.ts';
import { restartWithTpm } from '../keys/restart-with-tpm.ts';
import { loadCredentials } from '../state/credentials.ts';
import { loadSignIn, removeSignIn } from '../state/kept-sign-in.ts';
import { tellAgent } from '../state/lock.ts';
import { removeSessionCache } from '../state/session-cache.ts';
import { loadSettings } from '../state/settings-file.ts';
import { checkStateDirectory } from '../state/state-directory.ts';
import { enterState, stateOption } from './command-context.ts';
import type { CommandContext } from './command-context.ts';

/** `postern-agent logout`: the laptop forgets its user, and every gateway ends what was open for them. */
export function addLogoutCommand(program: Command, context: CommandContext): void {
  program
    .command('logout')
    .description('sign out: forget the user, end their flows; the laptop stays enrolled')
    .option(...stateOption)
    .addHelpText('after', '\nExample:\n  postern-agent logout')
    .action(async (options: { readonly state?: string }) => {
      const directory = enterState(context, options.state);
      const paths = checkStateDirectory(directory);
      const settings = loadSettings(paths.settings);
      if (settings === undefined) throw new AgentError(2, 'not-enrolled', { directory });
      await restartWithTpm(paths);
      const kept = loadSignIn(paths.signIn);
      // First here: whatever becomes of the rest, this laptop shows it to nobody again.
      removeSignIn(paths.signIn);
      removeSessionCache(paths.cache);
      tellAgent(paths.lock);
      if (kept === undefined) return context.print(message(context.language, 'nobody-signed-in'));
      try {
        await createDeviceApi(settings.control).signOut(loadCredentials(paths), kept.signIn);
      } catch (error) {
        const values = { url: settings.control, reason: describeError(error) };
        throw new AgentError(3, 'signed-out-here-only', values, error);
      }
      context.print(message(context.language, 'signed-out'));
    });
}
