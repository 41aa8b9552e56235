import type { Command } from 'commander';
import { AgentError } from '../agent-error.ts';
import { createDeviceApi } from '../control/device-api.ts';
import { explainControlError } from '../control/explain-control-error.ts';
import { restartWithTpm } from '../keys/restart-with-tpm.ts';
import { loadCredentials } from '../state/credentials.ts';
import { loadSignIn } from '../state/kept-sign-in.ts';
import { loadSettings } from '../state/settings-file.ts';
import { checkStateDirectory } from '../state/state-directory.ts';
import { postureProvider, enterState, stateOption, unsafePostureOption } from './command-context.ts';
import type { CommandContext } from './command-context.ts';

/** `postern-agent token`: a fresh session token on standard output and nothing else there; `up` need not run. */
export function addTokenCommand(program: Command, context: CommandContext): void {
  program
    .command('token')
    .description('print a current session token, for scripts')
    .option(...stateOption)
    .option(...unsafePostureOption)
    .addHelpText(
      'after',
      `
Example, past the local proxy, in the state directory:
  curl --cert device.crt --key device.key --cacert ca.crt \\
    -H "Proxy-Authorization: Bearer $(postern-agent token)" https://APP.example.org:8443/`,
    )
    .action(async (options: { readonly state?: string; readonly unsafePosture?: string }) => {
      const directory = enterState(context, options.state);
      const paths = checkStateDirectory(directory);
      const settings = loadSettings(paths.settings);
      if (settings === undefined) throw new AgentError(2, 'not-enrolled', { directory });
      await restartWithTpm(paths);
      const credentials = loadCredentials(paths);
      const posture = await postureProvider(context, options.unsafePosture).measure();
      try {
        const answer = await createDeviceApi(settings.control).fetchToken(
          credentials,
          posture.report(),
          loadSignIn(paths.signIn)?.signIn,
        );
        context.print(answer.token);
      } catch (error) {
        throw explainControlError(error, settings.control);
      }
    });
}
